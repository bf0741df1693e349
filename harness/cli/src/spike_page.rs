//! `handoff report --spike`: page of the spike's statements, judged by many folders.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use handoff_analysis::{Claims, Options, RunRows, judge};
use handoff_model::{io_fix, regular_file};
use handoff_records::Results;

use crate::exit::{self, bad_input, bail_input};
use crate::{analysed, files};

/// Writes the page, or checks that the file is the same.
///
/// # Errors
/// A folder that cannot be read, a page that cannot be written, or with `check` one that differs.
pub fn write(dirs: &[PathBuf], page: &Path, options: &Options, check: bool) -> anyhow::Result<u8> {
    let runs = analysed::read(dirs)?;
    let text = text(&runs, dirs, page, options)?;
    if check {
        let shown = page.display();
        let old = regular_file::read_to_string(page);
        if old.map_err(|e| bad_input(format!("cannot read {shown}: {e}{}", io_fix(&e))))? != text {
            bail_input!("{shown} differs from the results: run `make spike-page`");
        }
    } else {
        files::write(page, text.as_bytes())?;
    }
    analysed::refuse_damage(&runs)?;
    Ok(exit::OK)
}

fn text(runs: &[Results], dirs: &[PathBuf], page: &Path, options: &Options) -> anyhow::Result<String> {
    let rows: Vec<RunRows<'_>> = runs.iter().map(RunRows::from).collect();
    let claims = Claims::spike()?;
    let judged = judge(&rows, options, &claims, &analysed::workflow_sizes()?);
    let mut links = BTreeMap::new();
    for (run, dir) in runs.iter().zip(dirs) {
        links.insert(run.name.clone(), link(page, dir)?);
    }
    Ok(handoff_report::spike_page(&claims, &judged, &links))
}

/// Address of a folder as seen from the folder of a page, with `/` at its end.
///
/// # Errors
/// A path that cannot be made absolute.
pub fn link(page: &Path, dir: &Path) -> anyhow::Result<String> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|e| bad_input(format!("cannot find {}: {e}", path.display())));
    let (page, dir) = (absolute(page)?, absolute(dir)?);
    let from: Vec<Component<'_>> = page.parent().map(|p| p.components().collect()).unwrap_or_default();
    let to: Vec<Component<'_>> = dir.components().collect();
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - same);
    let down = to[same..].iter().map(|c| c.as_os_str().to_string_lossy().into_owned());
    Ok(format!("{}/", up.chain(down).collect::<Vec<_>>().join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_linked_from_where_the_page_is() {
        let of = |page: &str, dir: &str| link(Path::new(page), Path::new(dir)).unwrap();
        assert_eq!(of("docs/spike.md", "results/a"), "../results/a/");
        assert_eq!(of("docs/spike.md", "results/a/"), "../results/a/");
        assert_eq!(of("spike.md", "results/a"), "results/a/");
        assert_eq!(of("/x/docs/spike.md", "/x/results/a"), "../results/a/");
    }
}
