//! Paths that a run hands to other programs: what those cannot take is refused when planning, not when running.

use std::path::Path;

pub use handoff_relay::build_context::check_text;
use handoff_relay::build_context::refused_path as refused;

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
        Err(refused("--work-dir", &text, bad, "options of Docker and mounts are lists that it splits").into())
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
            return Err(refused(name, &text, bad, "PATH and NODE_OPTIONS are lists that it splits").into());
        }
    }
    Ok(())
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
    fn name_that_is_not_utf8_is_one_clear_line() {
        let error = check_text("--context", Path::new(OsStr::from_bytes(b"/tmp/a\xff"))).unwrap_err().to_string();
        assert!(error.contains("is not UTF-8") && error.contains("rename") && !error.contains("report it"), "{error}");
    }
}
