//! The commit gate: who runs `docker save | zstd | handoff stream upload` sees their exit states, the uploader does
//! not. So the uploader waits at a named pipe for the word `commit`, and without it makes nothing visible.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::error::Error;

/// The word that opens the gate, a line of its own.
pub const COMMIT: &str = "commit";

/// A named pipe that says whether an upload may be committed.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    pipe: File,
}

impl Gate {
    /// Opens the reading end, without waiting for a writer. The writer should open its end for reading and writing
    /// (which waits for nobody) before it starts the uploader, and keep it open until it has decided: when it closes it,
    /// or dies, without the word, the gate stays shut.
    ///
    /// # Errors
    /// [`Error::Gate`] when `path` is no named pipe or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let refused = |why: String| Error::Gate { path: path.to_owned(), why };
        // Non-blocking: a blocking open would wait for a writer that may never come.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let pipe = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|e| refused(e.to_string()))?;
        let kind = pipe.metadata().map_err(|e| refused(e.to_string()))?.file_type();
        if kind.is_fifo() {
            Ok(Self { path: path.to_owned(), pipe })
        } else {
            Err(refused("it is not a named pipe (make one with mkfifo)".to_owned()))
        }
    }

    /// Blocks until the writer has said `commit`, anything else, or nothing within `limit`.
    ///
    /// # Errors
    /// [`Error::Gate`] unless the word came.
    pub fn wait(mut self, limit: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        let mut said = Vec::new();
        loop {
            let mut piece = [0; 64];
            match self.read(deadline, &mut piece) {
                Ok(0) => return Err(self.refused(&said)),
                Ok(n) => said.extend_from_slice(&piece[..n]),
                Err(e) => return Err(Error::Gate { path: self.path, why: e.to_string() }),
            }
            if let Some(end) = said.iter().position(|&b| b == b'\n') {
                said.truncate(end);
                return if said == COMMIT.as_bytes() { Ok(()) } else { Err(self.refused(&said)) };
            }
            if said.len() > 256 {
                return Err(self.refused(&said));
            }
        }
    }

    /// Waits for bytes or for the last writer to go (0). Before the first writer has come there is nothing but time.
    fn read(&mut self, deadline: Instant, space: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let silent = || io::Error::new(io::ErrorKind::TimedOut, "nobody said anything in time");
            let timeout = Timespec::try_from(left).map_err(|_| silent())?;
            let mut polled = [PollFd::new(&self.pipe, PollFlags::IN)];
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => return Err(silent()),
                Ok(_) => match self.pipe.read(space) {
                    Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                    done => return done,
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn refused(&self, said: &[u8]) -> Error {
        let why = match said {
            [] => "it was closed without a word".to_owned(),
            _ => format!("it said {:?}, not {COMMIT:?}", String::from_utf8_lossy(said)),
        };
        Error::Gate { path: self.path.clone(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Write;

    const LONG: Duration = Duration::from_mins(1);

    fn fifo() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        (dir, path)
    }

    fn said(text: &str) -> Result<(), String> {
        let (_dir, path) = fifo();
        let gate = Gate::open(&path).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        drop(writer);
        gate.wait(LONG).map_err(|e| e.to_string())
    }

    #[test]
    fn only_the_word_opens_it() {
        said("commit\n").unwrap();
        said("commit\nand more").unwrap();
        assert!(said("").unwrap_err().contains("without a word"));
        assert!(said("commit").unwrap_err().contains("it said"), "a line that was cut off is not the word");
        assert!(said("abort\n").unwrap_err().contains("\"abort\""));
        assert!(said(&"x".repeat(1000)).unwrap_err().contains("it said"));
    }

    #[test]
    fn the_word_may_come_in_pieces_and_before_anyone_waits() {
        let (_dir, path) = fifo();
        let gate = Gate::open(&path).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"com").unwrap();
        let waiting = std::thread::spawn(move || gate.wait(LONG));
        writer.write_all(b"mit\n").unwrap();
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn silence_is_no_consent() {
        let (_dir, path) = fifo();
        let gate = Gate::open(&path).unwrap();
        let said = gate.wait(Duration::from_millis(1)).unwrap_err().to_string();
        assert!(said.contains("in time"), "{said}");
    }

    #[test]
    fn something_else_than_a_pipe_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Gate::open(file.path()).unwrap_err().to_string().contains("mkfifo"));
        assert!(Gate::open(Path::new("/nonexistent/gate")).is_err());
    }
}
