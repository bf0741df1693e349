//! Upload and download of a pipe as a program:
//! `... | stream upload NAME REPORT [GATE]` and `stream download NAME REPORT [RANGES] | ...`.

use std::path::Path;
use std::process::ExitCode;

use handoff_storage::DownloadPlan;
use handoff_storage::stream::{DownloadArgs, UploadArgs, download_to_stdout, upload_from_stdin};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let report = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["upload", name, _] => upload_from_stdin(&UploadArgs::new(name)),
        ["upload", name, _, gate] => {
            upload_from_stdin(&UploadArgs { commit_gate: Some(gate.into()), ..UploadArgs::new(name) })
        }
        ["download", name, _] => {
            download_to_stdout(&DownloadArgs { name: name.to_owned(), plan: DownloadPlan::default() })
        }
        ["download", name, _, ranges] => {
            let plan = DownloadPlan { ranges: ranges.parse().unwrap_or(0), ..DownloadPlan::default() };
            download_to_stdout(&DownloadArgs { name: name.to_owned(), plan })
        }
        _ => return ExitCode::from(2),
    };
    let written = report.write(Path::new(&args[2])).is_ok();
    ExitCode::from(u8::from(report.error.is_some() || !written))
}
