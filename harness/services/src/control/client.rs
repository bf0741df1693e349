//! The side of the program that wants a service.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use handoff_link::RequestRecord;
use handoff_model::{Counters, ServiceUsage};
use serde::de::DeserializeOwned;

use super::{Answer, Hello, Ready, Request};
use crate::config::TokenSpec;
use crate::error::ServiceError;
use crate::service;

/// How long a process that should end may take for it.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);

/// A service in a process of its own. Blocking; may be shared between threads. Dropping it ends the process, by force
/// if it does not go.
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
    /// Standard error stays as the command says.
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

    /// The process, for whoever accounts for processes.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// See [`crate::Service::addr`].
    pub fn addr(&self) -> SocketAddr {
        self.ready.addr
    }

    /// See [`crate::Service::base_url`].
    pub fn base_url(&self) -> &str {
        &self.ready.url
    }

    /// See [`crate::Service::client_env`].
    pub fn client_env(&self, token: &str) -> Vec<(String, String)> {
        service::client_env(&self.ready.url, token)
    }

    /// See [`crate::Service::mint`].
    pub fn mint(&self, spec: TokenSpec) -> Result<String, ServiceError> {
        self.ask(&Request::Mint(spec))
    }

    /// See [`crate::Service::revoke`].
    pub fn revoke(&self, token: &str) -> Result<bool, ServiceError> {
        self.ask(&Request::Revoke { token: token.to_owned() })
    }

    /// See [`crate::Service::counters`].
    pub fn counters(&self, token: &str) -> Result<Counters, ServiceError> {
        self.ask(&Request::Counters { token: token.to_owned() })
    }

    /// See [`crate::Service::request_log`].
    pub fn request_log(&self, token: &str) -> Result<Vec<RequestRecord>, ServiceError> {
        self.ask(&Request::Log { token: token.to_owned() })
    }

    /// See [`crate::Service::purge`].
    pub fn purge(&self, run: &str) -> Result<(), ServiceError> {
        self.ask(&Request::Purge { run: run.to_owned() })
    }

    /// See [`crate::Service::rest`].
    pub fn rest(&self) -> Result<(), ServiceError> {
        self.ask(&Request::Rest {})
    }

    /// See [`crate::Service::stored_bytes`].
    pub fn stored_bytes(&self, run: &str) -> Result<u64, ServiceError> {
        self.ask(&Request::StoredBytes { run: run.to_owned() })
    }

    /// See [`crate::Service::usage`].
    pub fn usage(&self) -> Result<ServiceUsage, ServiceError> {
        self.ask(&Request::Usage {})
    }

    /// Ends the service and waits for its process, which has deleted what it stored by then.
    pub fn shutdown(self) -> Result<(), ServiceError> {
        self.ask::<()>(&Request::Shutdown {})?;
        let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait().map_err(ServiceError::Pipe)?;
        if status.success() { Ok(()) } else { Err(ServiceError::Lost(format!("it ended with {status}"))) }
    }

    fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, ServiceError> {
        let line = serde_json::to_string(request).map_err(|error| ServiceError::Pipe(error.into()))?;
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(to) = &mut pipes.to else { return Err(ServiceError::Lost("its input was closed".to_owned())) };
        let said = writeln!(to, "{line}").and_then(|()| to.flush());
        said.map_err(|error| ServiceError::Lost(format!("it takes no requests: {error}")))?;
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
        // The end of its input lets it delete what it stored; one that does not end is killed.
        self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner).to = None;
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + CONTROL_TIMEOUT;
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                child.kill().ok();
                child.wait().ok();
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}
