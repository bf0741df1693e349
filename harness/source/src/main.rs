//! `source-digest DIR`: prints the digest of the sources below a folder, for `scripts/check-results`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let result = match args.as_slice() {
        [dir] => handoff_source::digest(Path::new(dir)).map_err(|e| e.to_string()),
        _ => Err("name one folder: source-digest DIR".to_owned()),
    };
    let printed = result.and_then(|digest| writeln!(std::io::stdout(), "{digest}").map_err(|e| format!("stdout: {e}")));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
