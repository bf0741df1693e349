//! Memory stays flat whatever passes through.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handoff_services::TokenSpec;
use handoff_services::control::Client;
use serde_json::json;

use crate::support::{Api, serve_example, target};

const BLOCK: usize = 64 << 20;
const BLOCKS: usize = 16;
const LIMIT: u64 = 64 << 20;

// Blocks of the largest size that clients use, four at a time, then read on two connections at once.
#[test]
fn gigabyte_passes_in_64_mib_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(serve_example());
    command.arg(dir.path().join("store"));
    let client = Client::spawn(command).unwrap();
    let token = client.mint(TokenSpec { run: "run-1".into(), job: "job-1".into(), ..TokenSpec::default() }).unwrap();
    let api = Api { addr: client.addr(), token: token.clone(), user_agent: "test".to_owned() };
    let url = api.upload_url("k");
    let ids: Vec<String> = (0..BLOCKS).map(|at| STANDARD.encode(format!("{at:03}"))).collect();
    std::thread::scope(|scope| {
        for batch in ids.chunks(BLOCKS / 4) {
            let (api, url) = (&api, &url);
            scope.spawn(move || {
                let block = vec![5; BLOCK];
                for id in batch {
                    let url = format!("{url}&comp=block&blockid={}", id.replace('=', "%3D"));
                    assert_eq!(api.blob("PUT", &url, &[], &block).status, 201);
                }
            });
        }
    });
    let xml = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect::<Vec<_>>().concat();
    let done =
        api.blob("PUT", &format!("{url}&comp=blocklist"), &[], format!("<BlockList>{xml}</BlockList>").as_bytes());
    assert_eq!(done.status, 201);
    api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": BLOCK * BLOCKS})).ok();

    let url = api.download_url("k");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!(drain(&api, &url) >= (BLOCK * BLOCKS) as u64));
        }
    });
    let counters = client.counters(&token).unwrap();
    let total = (BLOCK * BLOCKS) as u64;
    assert_eq!((counters.bytes_up, counters.bytes_down), (total, 2 * total));
    let peak = client.usage().unwrap().peak_rss_bytes.unwrap();
    assert!(peak < LIMIT, "{peak} bytes of memory at the peak");
}

fn drain(api: &Api, url: &str) -> u64 {
    let mut stream = TcpStream::connect(api.addr).unwrap();
    write!(stream, "GET {} HTTP/1.1\r\nConnection: close\r\n\r\n", target(url)).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut sum = 0;
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return sum,
            count => sum += count as u64,
        }
    }
}
