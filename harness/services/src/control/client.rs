//! Client of a service process.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use handoff_link::RequestRecord;
use handoff_model::{Counters, ServiceUsage};
use serde::de::DeserializeOwned;

use super::{Answer, Hello, Ready, Request};
use crate::config::{Stored, TokenSpec};
use crate::error::ServiceError;
use crate::service;
use crate::timeouts::{EXIT_POLL_INTERVAL, PROCESS_EXIT_TIMEOUT};

/// Service in a separate process. Its methods block, and threads may share it.
///
/// Dropping it ends the process, and kills it after [`PROCESS_EXIT_TIMEOUT`].
pub struct Client {
    pipes: Mutex<Pipes>,
    child: Mutex<Child>,
    ready: Ready,
}

struct Pipes {
    // None once the input was ended.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Client {
    /// Starts `command`, which must call [`super::serve`] on its standard input and output, and waits until it is ready.
    ///
    /// # Errors
    /// [`ServiceError::Spawn`], [`ServiceError::Refused`] when the service cannot start, and [`ServiceError::Lost`].
    pub fn spawn(mut command: Command) -> Result<Self, ServiceError> {
        let program = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|source| ServiceError::Spawn { program, source })?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ServiceError::Lost("it has no pipes".to_owned()));
        };
        let mut pipes = Pipes { to: Some(to), from: BufReader::new(from) };
        let error = match pipes.read() {
            Ok(Hello::Ready(ready)) => return Ok(Self { pipes: Mutex::new(pipes), child: Mutex::new(child), ready }),
            Ok(Hello::Error(message)) => ServiceError::Refused(message),
            Err(error) => error,
        };
        child.kill().ok();
        child.wait().ok();
        Err(error)
    }

    /// Id of the process.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Returns [`crate::Service::addr`].
    pub fn addr(&self) -> SocketAddr {
        self.ready.addr
    }

    /// Returns [`crate::Service::base_url`].
    pub fn base_url(&self) -> &str {
        &self.ready.url
    }

    /// Returns [`crate::Service::client_env`].
    pub fn client_env(&self, token: &str) -> Vec<(String, String)> {
        service::client_env(&self.ready.url, token)
    }

    /// Calls [`crate::Service::mint`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn mint(&self, spec: TokenSpec) -> Result<String, ServiceError> {
        self.call(&Request::Mint(spec))
    }

    /// Calls [`crate::Service::revoke`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn revoke(&self, token: &str) -> Result<bool, ServiceError> {
        self.call(&Request::Revoke { token: token.to_owned() })
    }

    /// Calls [`crate::Service::counters`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn counters(&self, token: &str) -> Result<Counters, ServiceError> {
        self.call(&Request::Counters { token: token.to_owned() })
    }

    /// Calls [`crate::Service::request_log`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn request_log(&self, token: &str) -> Result<Vec<RequestRecord>, ServiceError> {
        self.call(&Request::Log { token: token.to_owned() })
    }

    /// Calls [`crate::Service::purge`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn purge(&self, run: &str) -> Result<(), ServiceError> {
        self.call(&Request::Purge { run: run.to_owned() })
    }

    /// Calls [`crate::Service::delete`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn delete(&self, stored: Stored) -> Result<usize, ServiceError> {
        self.call(&Request::Delete(stored))
    }

    /// Calls [`crate::Service::delete_blob`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn delete_blob(&self, stored: Stored) -> Result<usize, ServiceError> {
        self.call(&Request::DeleteBlob(stored))
    }

    /// Calls [`crate::Service::cache_keys`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn cache_keys(&self, run: &str) -> Result<Vec<String>, ServiceError> {
        self.call(&Request::CacheKeys { run: run.to_owned() })
    }

    /// Calls [`crate::Service::reset_rate_limits`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn reset_rate_limits(&self) -> Result<(), ServiceError> {
        self.call(&Request::ResetRateLimits {})
    }

    /// Calls [`crate::Service::stored_bytes`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn stored_bytes(&self, run: &str) -> Result<u64, ServiceError> {
        self.call(&Request::StoredBytes { run: run.to_owned() })
    }

    /// Calls [`crate::Service::usage`].
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended; [`ServiceError::Refused`] and [`ServiceError::Protocol`] for its answer.
    pub fn usage(&self) -> Result<ServiceUsage, ServiceError> {
        self.call(&Request::Usage {})
    }

    /// Ends the service and waits for its process, which deletes its store first.
    ///
    /// # Errors
    /// [`ServiceError::Lost`] when the process ended before or with a failure; [`ServiceError::Pipe`].
    pub fn shutdown(self) -> Result<(), ServiceError> {
        self.call::<()>(&Request::Shutdown {})?;
        let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait().map_err(ServiceError::Pipe)?;
        if status.success() { Ok(()) } else { Err(ServiceError::Lost(format!("it ended with {status}"))) }
    }

    fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<T, ServiceError> {
        let line = serde_json::to_string(request).map_err(|error| ServiceError::Pipe(error.into()))?;
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(to) = &mut pipes.to else { return Err(ServiceError::Lost("its input was closed".to_owned())) };
        let written = writeln!(to, "{line}").and_then(|()| to.flush());
        written.map_err(|error| ServiceError::Lost(format!("it takes no requests: {error}")))?;
        match pipes.read()? {
            Answer::Error(message) => Err(ServiceError::Refused(message)),
            Answer::Ok(value) => {
                let line = value.to_string();
                serde_json::from_value(value)
                    .map_err(|error| ServiceError::Protocol { line, reason: error.to_string() })
            }
        }
    }
}

impl Pipes {
    fn read<T: DeserializeOwned>(&mut self) -> Result<T, ServiceError> {
        let mut line = String::new();
        match self.from.read_line(&mut line) {
            Ok(0) => Err(ServiceError::Lost("it ended without an answer".to_owned())),
            Err(error) => Err(ServiceError::Lost(error.to_string())),
            Ok(_) => {
                serde_json::from_str(&line).map_err(|error| ServiceError::Protocol { line, reason: error.to_string() })
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The end of its input lets the process delete its store. A process that does not end is killed.
        self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner).to = None;
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + PROCESS_EXIT_TIMEOUT;
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                child.kill().ok();
                child.wait().ok();
                return;
            }
            thread::sleep(EXIT_POLL_INTERVAL);
        }
    }
}
