//! Paths that a run hands to other programs: what those cannot take is refused when planning, not when running.

use std::path::Path;

use handoff_model::image_name::described;
use handoff_model::shell;

use crate::exit::{bad_input, bail_input};

/// Refuses a path that is no text in one line, which plans and reports cannot hold.
///
/// # Errors
/// The option, the path and the character at fault.
pub fn check_text(option: &str, path: &Path) -> anyhow::Result<()> {
    let shown = path.to_string_lossy();
    let Some(text) = path.to_str() else {
        bail_input!(
            "{option} {}: its name is not UTF-8, which plans, reports and builders do not take: rename it, or use another path",
            shell::escaped(&shown)
        );
    };
    match text.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(bad) => Err(refused(option, text, bad, "reports and lists have one path a line")),
    }
}

/// Refuses a work folder whose path the engines' programs split or take for an option.
///
/// # Errors
/// The option, the path and the character at fault.
pub fn check_work_dir(path: &Path) -> anyhow::Result<()> {
    check_text("--work-dir", path)?;
    let text = path.to_string_lossy();
    // Docker and buildx take lists with commas (`--output type=docker,dest=…`), mounts lists with colons and commas.
    let bad = text.chars().find(|c| c.is_whitespace() || ",:;\"'`\\$*?[]".contains(*c));
    bad.map_or(Ok(()), |bad| {
        Err(refused("--work-dir", &text, bad, "options of Docker and mounts are lists that it splits"))
    })
}

/// Refuses folders of the environment in which a run's programs cannot be found.
///
/// # Errors
/// The variable, the path and the character at fault.
pub fn check_environment() -> anyhow::Result<()> {
    for name in ["HANDOFF_HOME", "HANDOFF_ENGINE_PREFIX", "TMPDIR"] {
        let Some(value) = std::env::var_os(name).filter(|v| !v.is_empty()) else { continue };
        let path = Path::new(&value);
        check_text(name, path)?;
        let text = path.to_string_lossy();
        // PATH and the options of Node are lists.
        let bad = text.chars().find(|c| *c == ':' || c.is_whitespace()).filter(|_| name != "TMPDIR");
        if let Some(bad) = bad {
            return Err(refused(name, &text, bad, "PATH and NODE_OPTIONS are lists that it splits"));
        }
    }
    Ok(())
}

/// Refuses a report that cannot be written, before anything is sent.
///
/// # Errors
/// The path, with the system's error.
pub fn check_report(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    if path.is_dir() {
        bail_input!("--report {shown} is a folder: name a file in it");
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    std::fs::File::create(&part).and_then(|_| std::fs::remove_file(&part)).map_err(|e| {
        bad_input(format!("--report {shown} cannot be written: {e}: name a file in a folder that is there"))
    })
}

fn refused(option: &str, path: &str, bad: char, why: &str) -> anyhow::Error {
    let path = shell::quote(path);
    let bad = described(bad);
    bad_input(format!(
        "{option} {path}: there is a {bad} in it, and {why}: use a path of letters, digits, `.`, `_`, `-` and `/`"
    ))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn work_folder_that_breaks_lists_is_refused_with_its_character() {
        for (path, named) in [
            ("/var/tmp/a,b", "`,`"),
            ("/var/tmp/a b", "a space"),
            ("/var/tmp/a:b", "`:`"),
            ("/var/tmp/a\nb", "a line break"),
            ("/var/tmp/a\"b", "`\"`"),
            ("/var/tmp/a\\b", "`\\`"),
        ] {
            let error = check_work_dir(Path::new(path)).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("--work-dir") && !error.contains('\n'), "{path}: {error}");
        }
        assert!(check_work_dir(Path::new("/var/tmp/hand-off_1.2")).is_ok());
    }

    #[test]
    fn results_folder_may_have_blanks_and_commas_but_no_line_break() {
        assert!(check_text("--out", Path::new("/home/me/my results, today")).is_ok());
        assert!(check_text("--out", Path::new("/home/me/a\nb")).is_err());
    }

    #[test]
    fn report_that_cannot_be_written_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().join("nope/x"), dir.path().to_owned()] {
            let error = check_report(&path).unwrap_err().to_string();
            assert!(error.contains("--report") && error.contains(&path.display().to_string()), "{error}");
        }
        assert!(check_report(&dir.path().join("x")).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn name_that_is_not_utf8_is_one_clear_line() {
        let error = check_text("--context", Path::new(OsStr::from_bytes(b"/tmp/a\xff"))).unwrap_err().to_string();
        assert!(error.contains("is not UTF-8") && error.contains("rename") && !error.contains("report it"), "{error}");
    }
}
