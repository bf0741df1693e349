//! `handoff image`.

use std::fs;
use std::io::{BufWriter, ErrorKind, IsTerminal};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use handoff_fixtures::{FixtureError, ImageSpec, probe_bytes};
use handoff_model::ByteSize;

use crate::exit::{self, bad_input, bail_input};
use crate::{files, out};

/// Options of `image`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sum of the uncompressed layers, from 16MiB to 10GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    size: String,
    /// Workload: typical, one-fat-layer, many-layers, many-small-files, multi-stage, incompressible, or a TOML file
    #[arg(long, value_name = "NAME", default_value = "typical")]
    workload: String,
    /// Seed of the content [default: the workload's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Text that changes the content of every layer, so that no cache knows it
    #[arg(long, value_name = "TEXT", default_value = "0")]
    nonce: String,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Write a build context for `docker build` into this folder
    #[arg(long, value_name = "DIR")]
    context: Option<PathBuf>,
    /// Write the image's files into this folder, without the probe
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Write a docker tar to stdout: pipe it into `docker load`
    #[arg(long)]
    tar: bool,
    /// Write the probe, the static program of synthetic images, to this file, for a build context of your own
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
    /// Print the image's size, layers, files and content digest
    #[arg(long)]
    describe: bool,
}

/// Files are only ever written into a folder that is new or empty.
fn refuse_used(dir: &Path) -> anyhow::Result<()> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail_input!("{} is not empty: name a new or an empty folder", dir.display());
    }
    Ok(())
}

impl Args {
    /// Writes the image in the asked form.
    ///
    /// # Errors
    /// A size or workload that makes no image, or a file that cannot be written.
    pub fn run(self) -> anyhow::Result<u8> {
        if let Some(path) = &self.what.probe {
            files::write(path, probe_bytes())?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))
                .map_err(|source| files::NotWritten { path: path.clone(), source })?;
            out::talk(&format!("the probe is in {}", path.display()));
            return Ok(exit::OK);
        }
        let size: ByteSize = self.size.parse().map_err(bad_input)?;
        let workload = handoff_fixtures::load_workload(&self.workload)?;
        let image = ImageSpec::new(&workload, size.bytes(), self.seed, &self.nonce)?;
        if let Some(dir) = self.what.context.as_ref().or(self.what.tree.as_ref()) {
            refuse_used(dir)?;
        }
        if let Some(dir) = &self.what.context {
            let info = image.write_context(dir)?;
            out::talk(&format!("{} files, {} in {}", info.files, ByteSize(info.bytes), dir.display()));
        } else if let Some(dir) = &self.what.tree {
            image.write_tree(dir)?;
            out::talk(&format!("{} files in {}", image.file_count(), dir.display()));
        } else if self.what.tar {
            if std::io::stdout().is_terminal() {
                return Err(bad_input(
                    "--tar writes the tar to stdout: pipe it into `docker load`, or redirect it to a file",
                ));
            }
            match image.write_docker_tar(BufWriter::with_capacity(1 << 20, std::io::stdout().lock())) {
                // The reader went away, which is its own decision.
                Err(FixtureError::Stream(e)) if e.kind() == ErrorKind::BrokenPipe => {}
                written => {
                    let info = written?;
                    out::talk(&format!("{} {}", info.reference, info.config_digest));
                }
            }
        } else {
            let json = serde_json::json!({
                "workload": self.workload,
                "size_bytes": size.bytes(),
                "predicted_bytes": image.predicted_bytes(),
                "layers": image.layer_count(),
                "files": image.file_count(),
                "content_digest": image.content_digest()?,
                "tree_digest": image.tree_digest()?,
            });
            out::data(&serde_json::to_string_pretty(&json)?);
        }
        Ok(exit::OK)
    }
}
