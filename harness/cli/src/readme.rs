//! `handoff report --readme`: chart and table of a README.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_model::regular_file::read_to_string;
use handoff_records::run_name;
use handoff_report::{README_CHARTS, Report, readme};

use crate::exit::{self, bad_input, bail_input};
use crate::files;
use crate::spike_page::link;

/// Replaces the text between the markers of a block; none where a marker is missing.
fn splice(text: &str, block: &str, content: &str) -> Option<String> {
    let [begin, end] = ["begin", "end"].map(|at| format!("<!-- handoff:{block}:{at} -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", content.trim()))
}

/// Writes chart and table into a README, or checks that its files have them.
///
/// # Errors
/// Folders without a completed trial, a README without markers, a file that differs with `check`, or one that cannot be written.
pub fn write(report: &Report, dirs: &[PathBuf], file: &Path, check: bool) -> anyhow::Result<u8> {
    let shown = file.display();
    let old = read_to_string(file)
        .map_err(|e| bad_input(format!("cannot read {shown}: {e}{}", handoff_model::io_fix(&e))))?;
    let links = dirs.iter().map(|dir| Ok((run_name(dir), link(file, dir)?)));
    let links: BTreeMap<String, String> = links.collect::<anyhow::Result<_>>()?;
    let Some(parts) = readme(report, &links) else {
        bail_input!("no trial of these folders completed: {shown} is left as it is")
    };
    let mut text = old.clone();
    for (block, content) in [("chart", &parts.chart), ("table", &parts.table)] {
        text = splice(&text, block, content).ok_or_else(|| {
            let marker = |at| format!("`<!-- handoff:{block}:{at} -->`");
            bad_input(format!(
                "{shown} has no lines {} and {}: add them for the {block}",
                marker("begin"),
                marker("end")
            ))
        })?;
    }
    let folder = file.parent().unwrap_or(Path::new("")).join(README_CHARTS);
    let charts = parts.files.into_iter().map(|(name, svg)| (folder.join(name), svg));
    if !check {
        fs::create_dir_all(&folder).map_err(|source| files::NotWritten { path: folder.clone(), source })?;
    }
    for (path, new) in [(file.to_owned(), text)].into_iter().chain(charts) {
        if check && read_to_string(&path).ok().as_deref() != Some(new.as_str()) {
            bail_input!("{} differs from the results: run `make readme`", path.display());
        }
        if !check {
            files::write(&path, new.as_bytes())?;
        }
    }
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_between_the_markers_changes() {
        let (begin, end) = ("<!-- handoff:table:begin -->", "<!-- handoff:table:end -->");
        let new = splice(&format!("a\n{begin}\nold\n{end}\nb\n"), "table", "table\n").unwrap();
        assert_eq!(new, format!("a\n{begin}\n\ntable\n\n{end}\nb\n"));
        assert_eq!(splice(&new, "table", "table").unwrap(), new);
        assert_eq!(splice(&new, "chart", "x"), None);
    }
}
