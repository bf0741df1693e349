//! The service as a separate process.

use std::process::Command;

use handoff_services::control::Client;
use handoff_services::{ServiceError, Stored, TokenSpec};
use serde_json::json;

use crate::support::{Api, serve_example};

fn spawn(store: &std::path::Path) -> Client {
    let mut command = Command::new(serve_example());
    command.arg(store);
    Client::spawn(command).unwrap()
}

fn api(client: &Client, token: &str) -> Api {
    Api { addr: client.addr(), token: token.to_owned(), user_agent: "test".to_owned() }
}

#[test]
fn process_answers_typed_calls() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let client = spawn(&store);
    let token = client.mint(TokenSpec { run: "run-1".into(), job: "job-1".into(), ..TokenSpec::default() }).unwrap();
    let api = api(&client, &token);
    api.upload_artifact("a", b"abc");
    let counters = client.counters(&token).unwrap();
    assert_eq!((counters.requests, counters.bytes_up, counters.entries, counters.stored_bytes), (3, 3, 1, 3));
    assert_eq!(client.request_log(&token).unwrap().len(), 3);
    assert_eq!(client.stored_bytes("run-1").unwrap(), 3);
    api.save_cache("k", b"x");
    assert_eq!(client.cache_keys("run-1").unwrap(), ["k"]);
    let entry = || Stored::CacheEntry { key: "k".into() };
    assert_eq!((client.delete_blob(entry()).unwrap(), client.delete(entry()).unwrap()), (1, 1));
    assert_eq!(client.cache_keys("run-1").unwrap(), Vec::<String>::new());
    client.purge("run-1").unwrap();
    assert_eq!(client.stored_bytes("run-1").unwrap(), 0);
    assert!(client.revoke(&token).unwrap() && !client.revoke("x").unwrap());
    assert_eq!(api.artifact("ListArtifacts", json!({})).status, 401);
    let usage = client.usage().unwrap();
    assert!(usage.cpu_ns > 0 && usage.peak_rss_bytes > Some(0));
    assert!(client.client_env(&token).contains(&("ACTIONS_RESULTS_URL".into(), client.base_url().to_owned())));
    client.shutdown().unwrap();
    assert!(!store.exists());
}

#[test]
fn dropped_client_ends_the_process_and_deletes_its_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let client = spawn(&store);
    let (addr, pid) = (client.addr(), client.pid());
    assert!(store.exists());
    drop(client);
    assert!(!store.exists() && !std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn process_that_is_no_service_is_an_error() {
    assert!(matches!(Client::spawn(Command::new("/nonexistent/program")), Err(ServiceError::Spawn { .. })));
    assert!(matches!(Client::spawn(Command::new("true")), Err(ServiceError::Lost(_))));
    let mut echo = Command::new("echo");
    echo.arg("hello");
    assert!(matches!(Client::spawn(echo), Err(ServiceError::Protocol { .. })));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(serve_example());
    command.arg(dir.path()).arg(taken.local_addr().unwrap().to_string()).stderr(std::process::Stdio::null());
    match Client::spawn(command) {
        Err(ServiceError::Refused(message)) => assert!(message.contains("cannot listen on"), "{message}"),
        other => panic!("{:?}", other.err()),
    }
}
