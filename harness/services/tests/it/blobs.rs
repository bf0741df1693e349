//! Azure's block-blob behaviour.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{Answer, Api, Fixture, Http, noise, target};

const PUT: [(&str, &str); 1] = [("x-ms-blob-type", "BlockBlob")];

fn block_url(url: &str, id: &[u8]) -> String {
    let id = STANDARD.encode(id).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("{url}&comp=block&blockid={id}")
}

fn put_block(api: &Api, url: &str, id: &[u8], content: &[u8]) -> Answer {
    api.blob("PUT", &block_url(url, id), &[], content)
}

fn put_list(api: &Api, url: &str, ids: &[&[u8]]) -> Answer {
    let items = ids.iter().map(|id| format!("<Latest>{}</Latest>", STANDARD.encode(id))).collect::<Vec<_>>().concat();
    let xml = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{items}</BlockList>");
    api.blob("PUT", &format!("{url}&comp=blocklist"), &[("Content-Type", "application/xml")], xml.as_bytes())
}

// A finalized entry of that content; gives its URL.
fn stored(api: &Api, content: &[u8]) -> String {
    api.save_cache("k", content);
    api.download_url("k")
}

#[test]
fn blocks_are_committed_in_the_order_of_the_list() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    let parts: Vec<Vec<u8>> = (0u8..6).map(|at| noise(300_000, u64::from(at) + 1)).collect();
    // All at once, the last first.
    std::thread::scope(|scope| {
        for (at, part) in parts.iter().enumerate().rev() {
            let (api, url) = (&api, &url);
            scope.spawn(move || assert_eq!(put_block(api, url, &[at as u8], part).status, 201));
        }
    });
    assert_eq!(put_block(&api, &url, &[9], b"never listed").status, 201);
    let done = put_list(&api, &url, &[&[0], &[1], &[2], &[3], &[4], &[5]]);
    assert_eq!(done.status, 201);
    assert!(done.header("etag").is_some() && done.header("last-modified").unwrap().ends_with(" GMT"));
    api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": 1_800_000})).ok();
    let got = api.blob("GET", &api.download_url("k"), &[], b"");
    assert_eq!(got.body, parts.concat());
    // Across the seams of blocks.
    let part = api.blob("GET", &api.download_url("k"), &[("x-ms-range", "bytes=299999-900000")], b"");
    assert_eq!(part.body, parts.concat()[299_999..=900_000]);
}

#[test]
fn block_ids_of_both_clients_are_accepted_and_a_repeated_block_replaces_the_first() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    // Bytes that need `+`, `/` and `==` in base64, 64 of them as Go sends.
    let go = |n: u8| [[0xfb, 0xff, n].as_slice(), &[0; 61]].concat();
    assert_eq!(put_block(&api, &url, &go(1), b"first").status, 201);
    assert_eq!(put_block(&api, &url, &go(2), b" world").status, 201);
    assert_eq!(put_block(&api, &url, &go(1), b"hello").status, 201);
    assert_eq!(put_list(&api, &url, &[&go(1), &go(2)]).status, 201);
    api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": 11})).ok();
    assert_eq!(api.blob("GET", &api.download_url("k"), &[], b"").text(), "hello world");
    assert_eq!(fixture.service.counters(&api.token).retries, 1);
}

#[test]
fn put_blob_keeps_its_content_type() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    let headers = [("x-ms-blob-type", "BlockBlob"), ("x-ms-blob-content-type", "text/x")];
    let first = api.blob("PUT", &url, &headers, b"1");
    let second = api.blob("PUT", &url, &headers, b"22");
    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(first.header("etag"), second.header("etag"));
    api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": 2})).ok();
    let got = api.blob("GET", &api.download_url("k"), &[], b"");
    assert_eq!((got.header("content-type"), got.header("etag")), (Some("text/x"), second.header("etag")));
}

#[test]
fn get_and_head_have_every_header_that_clients_need() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = stored(&api, b"0123456789");
    let (get, head) = (api.blob("GET", &url, &[], b""), api.blob("HEAD", &url, &[], b""));
    assert_eq!((get.status, head.status, get.text().as_str()), (200, 200, "0123456789"));
    for name in ["content-length", "etag", "last-modified", "content-type", "accept-ranges", "x-ms-blob-type"] {
        assert!(get.header(name).is_some(), "{name}");
        assert_eq!(get.header(name), head.header(name), "{name}");
    }
    assert_eq!(get.header("content-length"), Some("10"));
    assert!(get.header("content-range").is_none() && get.header("content-encoding").is_none());
    let again = api.blob("GET", &api.download_url("k"), &[], b"");
    assert_eq!(get.header("etag"), again.header("etag"), "stable");
}

#[test]
fn range_is_read_from_either_header() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = stored(&api, b"0123456789");
    for (headers, status, body, content_range) in [
        (&[("Range", "bytes=2-4")][..], 206, "234", Some("bytes 2-4/10")),
        (&[("x-ms-range", "bytes=2-4")], 206, "234", Some("bytes 2-4/10")),
        (&[("Range", "bytes=0-1"), ("x-ms-range", "bytes=5-")], 206, "56789", Some("bytes 5-9/10")),
        (&[("Range", "bytes=8-100")], 206, "89", Some("bytes 8-9/10")),
        (&[("Range", "bytes=-3")], 206, "789", Some("bytes 7-9/10")),
        (&[("Range", "bytes=0-9")], 206, "0123456789", Some("bytes 0-9/10")),
        (&[("Range", "bytes=4-2")], 200, "0123456789", None),
        (&[("Range", "lines=1-2")], 200, "0123456789", None),
    ] {
        let got = api.blob("GET", &url, headers, b"");
        assert_eq!(
            (got.status, got.text().as_str(), got.header("content-range")),
            (status, body, content_range),
            "{headers:?}"
        );
    }
    for range in ["bytes=10-", "bytes=10-20", "bytes=99-100"] {
        let got = api.blob("GET", &url, &[("x-ms-range", range)], b"");
        assert_eq!(got.azure(), (416, "InvalidRange".into()), "{range}");
        assert_eq!(got.header("content-range"), Some("bytes */10"));
    }
}

#[test]
fn etag_conditions_are_checked() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = stored(&api, b"0123456789");
    let etag = api.blob("HEAD", &url, &[], b"").header("etag").unwrap().to_owned();
    let get = |name: &str, value: &str| api.blob("GET", &url, &[(name, value), ("x-ms-range", "bytes=3-")], b"");
    assert_eq!((get("If-Match", &etag).status, get("If-Match", "*").status), (206, 206));
    assert_eq!(get("If-Match", "\"0x1\"").azure(), (412, "ConditionNotMet".into()));
    let unchanged = get("If-None-Match", &etag);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(get("If-None-Match", "\"0x1\"").status, 206);
}

#[test]
fn empty_blob_round_trips() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    assert_eq!(put_list(&api, &url, &[]).status, 201);
    api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": 0})).ok();
    let url = api.download_url("k");
    let got = api.blob("GET", &url, &[], b"");
    assert_eq!((got.status, got.header("content-length")), (200, Some("0")));
    assert_eq!(api.blob("GET", &url, &[("x-ms-range", "bytes=0-")], b"").azure().0, 416);
}

#[test]
fn refusals_are_xml_with_azures_codes() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    let with = |suffix: &str| format!("{url}{suffix}");
    let cases = [
        ("&comp=block&blockid=%21", &[][..], "x", 400, "InvalidQueryParameterValue"),
        ("&comp=block", &[], "x", 400, "InvalidQueryParameterValue"),
        ("&comp=metadata", &[], "x", 400, "InvalidQueryParameterValue"),
        ("&comp=blocklist", &[], "<BlockList><Latest>YQ==</Latest></BlockList>", 400, "InvalidBlockList"),
        ("&comp=blocklist", &[], "no list", 400, "InvalidXmlDocument"),
        ("", &[], "x", 400, "MissingRequiredHeader"),
        ("", &[("x-ms-blob-type", "PageBlob")], "x", 400, "InvalidHeaderValue"),
    ];
    for (suffix, headers, body, status, code) in cases {
        let answer = api.blob("PUT", &with(suffix), headers, body.as_bytes());
        assert_eq!(answer.azure(), (status, code.to_owned()), "{suffix} {body}");
    }
    assert_eq!(put_block(&api, &url, b"1", b"x").status, 201);
    assert_eq!(put_block(&api, &url, b"22", b"x").azure(), (400, "InvalidBlobOrBlock".into()));
    let mut http = Http::new(api.addr);
    http.write(
        format!("PUT {} HTTP/1.1\r\nx-ms-blob-type: BlockBlob\r\nTransfer-Encoding: chunked\r\n\r\n", target(&url))
            .as_bytes(),
    );
    assert_eq!(http.read(false).azure(), (411, "MissingContentLengthHeader".into()));
    assert!(http.is_closed(), "the end of the body is not known");
    fixture.service.purge("run-1");
    assert_eq!(api.blob("PUT", &url, &PUT, b"x").azure(), (404, "BlobNotFound".into()));
}

#[test]
fn interrupted_body_stores_nothing() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    let mut http = Http::new(api.addr);
    http.write(format!("PUT {} HTTP/1.1\r\nContent-Length: 1000\r\n\r\n", target(&block_url(&url, b"1"))).as_bytes());
    http.write(&[7; 500]);
    http.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(http.is_closed());
    let log = fixture.service.request_log(&api.token);
    let last = log.last().unwrap();
    assert_eq!((last.status, last.bytes_up, last.broken), (0, 500, true));
    assert_eq!(put_list(&api, &url, &[b"1"]).azure(), (400, "InvalidBlockList".into()));
    assert_eq!(put_block(&api, &url, b"1", b"whole").status, 201);
    assert_eq!(put_list(&api, &url, &[b"1"]).status, 201);
    assert_eq!(fixture.service.stored_bytes("run-1"), 5);
}

#[test]
fn wrong_checksum_of_a_body_is_refused() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    // Of `abc`.
    let md5 = ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==");
    let put = |content: &[u8]| api.blob("PUT", &url, &[PUT[0], md5], content);
    assert_eq!(put(b"abd").azure(), (400, "Md5Mismatch".into()));
    let block = api.blob("PUT", &block_url(&url, b"1"), &[md5], b"abd");
    assert_eq!(block.azure(), (400, "Md5Mismatch".into()));
    let crc = api.blob("PUT", &url, &[PUT[0], ("x-ms-content-crc64", "AAAAAAAAAAA=")], b"abc");
    assert_eq!(crc.azure(), (400, "Crc64Mismatch".into()));
    let finalize = || api.cache("FinalizeCacheEntryUpload", json!({"key": "k", "size_bytes": 3}));
    assert_eq!(finalize().twirp().0, 412, "nothing was stored");
    assert_eq!(put(b"abc").status, 201);
    finalize().ok();
}

#[test]
fn range_of_another_version_gets_the_whole_blob() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = stored(&api, b"0123456789");
    let head = api.blob("HEAD", &url, &[], b"");
    let (etag, modified) = (head.header("etag").unwrap(), head.header("last-modified").unwrap());
    let get = |version: &str| api.blob("GET", &url, &[("x-ms-range", "bytes=8-"), ("If-Range", version)], b"");
    for version in [etag, modified] {
        assert_eq!((get(version).status, get(version).text().as_str()), (206, "89"), "{version}");
    }
    for version in ["\"0x0\"", "Sat, 31 Jan 2026 12:00:00 GMT", "*"] {
        assert_eq!((get(version).status, get(version).text().as_str()), (200, "0123456789"), "{version}");
    }
}

#[test]
fn refusals_name_the_block() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    assert_eq!(put_block(&api, &url, b"one", b"x").status, 201);
    let names = |answer: &Answer, text: &str| assert!(answer.text().contains(text), "{}", answer.text());
    names(&put_list(&api, &url, &[b"one", b"two"]), "block dHdv was never staged");
    names(&put_block(&api, &url, b"four", b"x"), "Block id Zm91cg== has 4 bytes");
    names(&api.blob("PUT", &format!("{url}&comp=block&blockid=a!"), &[], b"x"), "blockid \"a!\" is not");
}
