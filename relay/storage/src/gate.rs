//! Commit gate: a named pipe by which the caller of `docker save | zstd | handoff stream upload` commits the upload.
//!
//! Only the caller sees the exit statuses of the other commands. So the uploader waits for the line `commit`, and makes nothing
//! visible without it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::error::Error;

/// Line that opens the gate.
pub const COMMIT: &str = "commit";

/// Named pipe that decides whether an upload is committed.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    pipe: File,
}

impl Gate {
    /// Opens the pipe for reading, without waiting for a writer.
    ///
    /// The caller should open the pipe for reading and writing, which never blocks, before it starts the uploader. It keeps
    /// the pipe open until it has decided. If it closes the pipe or dies without the line, the gate stays shut.
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
            Err(refused("it is not a named pipe: make one with mkfifo".to_owned()))
        }
    }

    /// Blocks until a line arrives, the pipe is closed, or `limit` has passed.
    ///
    /// # Errors
    /// [`Error::Gate`] unless the line is `commit`.
    pub fn wait(mut self, limit: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        let mut received = Vec::new();
        loop {
            let mut piece = [0; 64];
            match self.read(deadline, &mut piece) {
                Ok(0) => return Err(self.refused(&received)),
                Ok(n) => received.extend_from_slice(&piece[..n]),
                Err(e) => return Err(Error::Gate { path: self.path, why: e.to_string() }),
            }
            if let Some(end) = received.iter().position(|&b| b == b'\n') {
                received.truncate(end);
                return if received == COMMIT.as_bytes() { Ok(()) } else { Err(self.refused(&received)) };
            }
            if received.len() > 256 {
                return Err(self.refused(&received));
            }
        }
    }

    /// Waits for bytes, or for the last writer to close the pipe (0 bytes).
    fn read(&mut self, deadline: Instant, space: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "no line arrived in time");
            let timeout = Timespec::try_from(left).map_err(|_| timed_out())?;
            let mut polled = [PollFd::new(&self.pipe, PollFlags::IN)];
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => return Err(timed_out()),
                Ok(_) => match self.pipe.read(space) {
                    Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                    done => return done,
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn refused(&self, received: &[u8]) -> Error {
        let why = match received {
            [] => "it was closed without a line".to_owned(),
            _ => format!("it received {:?} instead of {COMMIT:?}", String::from_utf8_lossy(received)),
        };
        Error::Gate { path: self.path.clone(), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Write;

    const LONG_TIMEOUT: Duration = Duration::from_mins(1);

    fn fifo() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        (dir, path)
    }

    fn received(text: &str) -> Result<(), String> {
        let (_dir, path) = fifo();
        let gate = Gate::open(&path).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        drop(writer);
        gate.wait(LONG_TIMEOUT).map_err(|e| e.to_string())
    }

    #[test]
    fn only_the_line_commit_opens_the_gate() {
        received("commit\n").unwrap();
        received("commit\nand more").unwrap();
        assert!(received("").unwrap_err().contains("without a line"));
        assert!(received("commit").unwrap_err().contains("it received"), "an incomplete line does not commit");
        assert!(received("abort\n").unwrap_err().contains("\"abort\""));
        assert!(received(&"x".repeat(1000)).unwrap_err().contains("it received"));
    }

    #[test]
    fn line_in_pieces_before_the_wait_opens_the_gate() {
        let (_dir, path) = fifo();
        let gate = Gate::open(&path).unwrap();
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"com").unwrap();
        let waiting = std::thread::spawn(move || gate.wait(LONG_TIMEOUT));
        writer.write_all(b"mit\n").unwrap();
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn gate_without_a_line_times_out() {
        let (_dir, path) = fifo();
        let gate = Gate::open(&path).unwrap();
        let received = gate.wait(Duration::from_millis(1)).unwrap_err().to_string();
        assert!(received.contains("in time"), "{received}");
    }

    #[test]
    fn path_that_is_no_named_pipe_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Gate::open(file.path()).unwrap_err().to_string().contains("mkfifo"));
        assert!(Gate::open(Path::new("/nonexistent/gate")).is_err());
    }
}
