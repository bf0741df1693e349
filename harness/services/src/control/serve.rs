//! Service process.

use std::io::{BufRead, Write};

use serde::Serialize;
use serde_json::Value;

use super::{Answer, Hello, Ready, Request};
use crate::config::ServiceConfig;
use crate::error::ServiceError;
use crate::service::Service;

/// Runs a service until `stdin` ends or a request ends it, then deletes its store. A broken pipe ends it too.
///
/// # Errors
/// The error of a start, which is also written to `stdout` as `{"error":"..."}`; [`ServiceError::Pipe`].
pub fn serve(stdin: impl BufRead, mut stdout: impl Write, config: ServiceConfig) -> Result<(), ServiceError> {
    let service = match Service::start_blocking(config) {
        Ok(service) => service,
        Err(error) => {
            write_line(&mut stdout, &Hello::Error(error.to_string()))?;
            return Err(error);
        }
    };
    write_line(&mut stdout, &Hello::Ready(Ready { url: service.base_url(), addr: service.addr() }))?;
    for line in stdin.lines() {
        let line = line.map_err(ServiceError::Pipe)?;
        if line.trim().is_empty() {
            continue;
        }
        let request = serde_json::from_str(&line);
        let last = matches!(request, Ok(Request::Shutdown {}));
        let refused = |error| Answer::Error(format!("not a request: {error}"));
        write_line(&mut stdout, &request.map_or_else(refused, |request| answer(&service, request)))?;
        if last {
            break;
        }
    }
    Ok(())
}

fn answer(service: &Service, request: Request) -> Answer {
    let value = match request {
        Request::Mint(spec) => Ok(Value::String(service.mint(spec))),
        Request::Revoke { token } => Ok(Value::Bool(service.revoke(&token))),
        Request::Counters { token } => serde_json::to_value(service.counters(&token)),
        Request::Log { token } => serde_json::to_value(service.request_log(&token)),
        Request::Purge { run } => {
            service.purge(&run);
            Ok(Value::Null)
        }
        Request::Delete(stored) => Ok(service.delete(&stored).into()),
        Request::DeleteBlob(stored) => Ok(service.delete_blob(&stored).into()),
        Request::CacheKeys { run } => Ok(service.cache_keys(&run).into()),
        Request::ResetRateLimits {} => {
            service.reset_rate_limits();
            Ok(Value::Null)
        }
        Request::StoredBytes { run } => Ok(service.stored_bytes(&run).into()),
        Request::Usage {} => serde_json::to_value(service.usage()),
        Request::Shutdown {} => Ok(Value::Null),
    };
    value.map_or_else(|error| Answer::Error(error.to_string()), Answer::Ok)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> Result<(), ServiceError> {
    let text = serde_json::to_string(line).map_err(|error| ServiceError::Pipe(error.into()))?;
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(ServiceError::Pipe)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(input: &str) -> (Vec<Value>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        serve(input.as_bytes(), &mut out, ServiceConfig::new(dir.path().join("store"))).unwrap();
        let text = String::from_utf8(out).unwrap();
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), dir)
    }

    #[test]
    fn every_request_has_one_answer_and_the_store_is_deleted_at_the_end() {
        let input = "{\"mint\":{\"run\":\"r\"}}\n\n{\"usage\":{}}\nnonsense\n{\"counters\":{\"token\":\"x\"}}\n\
                     {\"stored_bytes\":{\"run\":\"r\"}}\n{\"purge\":{\"run\":\"r\"}}\n{\"shutdown\":{}}\n{\"usage\":{}}\n";
        let (lines, dir) = lines(input);
        assert_eq!(lines.len(), 8, "{lines:?}");
        assert!(lines[0]["ready"]["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
        assert_eq!(lines[1]["ok"].as_str().unwrap().split('.').count(), 3);
        assert!(lines[2]["ok"]["cpu_ns"].as_u64().unwrap() > 0);
        assert!(lines[3]["error"].as_str().unwrap().contains("not a request"));
        assert_eq!(lines[4]["ok"]["requests"], json!(0));
        assert_eq!((&lines[5]["ok"], &lines[6], &lines[7]), (&json!(0), &json!({"ok": null}), &json!({"ok": null})));
        assert!(!dir.path().join("store").exists());
    }

    #[test]
    fn failed_start_is_reported() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = ServiceConfig { bind: taken.local_addr().unwrap(), ..ServiceConfig::default() };
        let mut out = Vec::new();
        assert!(matches!(serve(&b""[..], &mut out, config), Err(ServiceError::Bind { .. })));
        assert!(String::from_utf8(out).unwrap().starts_with("{\"error\":\"cannot listen on 127.0.0.1:"));
    }
}
