//! HTTP: routes, connections, unread bodies.

use serde_json::json;

use crate::support::{Fixture, Http, target};

#[test]
fn unknown_path_is_answered_in_json() {
    let fixture = Fixture::new();
    let token = fixture.token(|_| ());
    let authorization = format!("Bearer {token}");
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    let mut http = Http::new(fixture.service.addr());
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/_apis/artifactcache/cache?keys=a&version=b"),
        ("POST", "/twirp/github.actions.results.api.v1.CacheService/Nothing"),
        ("POST", "/prefix/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry"),
        ("GET", "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry"),
    ] {
        assert_eq!(http.send(method, path, &headers, b"").twirp(), (404, "bad_route".into()), "{path}");
        assert_eq!(http.send(method, path, &[], b"").twirp().0, 401, "{path}");
    }
    let path = "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry";
    for body in ["", "[]", "{", "\u{0}"] {
        assert_eq!(http.send("POST", path, &headers, body.as_bytes()).twirp().0, 400, "{body}");
    }
    let proto = [headers[0], ("Content-Type", "application/protobuf")];
    let answer = http.send("POST", path, &proto, b"{}");
    assert_eq!(answer.twirp(), (404, "bad_route".into()));
    assert!(answer.text().contains("application/protobuf"), "{}", answer.text());
    assert_eq!(http.send("POST", path, &headers, &vec![b' '; 2 << 20]).twirp(), (400, "malformed".into()));
}

#[test]
fn fields_are_read_in_camel_case_too() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let ids = json!({"workflowRunBackendId": "run-1", "workflowJobRunBackendId": "job-1"});
    let artifact = |method: &str, fields: serde_json::Value| {
        let mut body = ids.clone();
        crate::support::merge(&mut body, fields);
        api.call("ArtifactService", method, &body).ok()
    };
    let mut created = artifact("CreateArtifact", json!({"name": "a", "mimeType": "text/plain"}));
    let url = created["signed_upload_url"].take();
    assert!(!url.as_str().unwrap().contains(".zip"), "the type was read");
    api.put_blob(url.as_str().unwrap(), b"abc");
    artifact("FinalizeArtifact", json!({"name": "a", "size": "3"}));
    api.upload_artifact("b", b"x");
    let named = artifact("ListArtifacts", json!({"nameFilter": "a"}));
    assert_eq!(named["artifacts"].as_array().unwrap().len(), 1);
    let id = &named["artifacts"][0]["database_id"];
    assert_eq!(artifact("ListArtifacts", json!({"idFilter": id}))["artifacts"], named["artifacts"]);

    let key = json!({"key": "k-1", "version": "v1"});
    let created = api.call("CacheService", "CreateCacheEntry", &key).ok();
    api.put_blob(created["signed_upload_url"].as_str().unwrap(), b"abc");
    let sized = json!({"key": "k-1", "version": "v1", "sizeBytes": "3"});
    api.call("CacheService", "FinalizeCacheEntryUpload", &sized).ok();
    let found = json!({"key": "x", "version": "v1", "restoreKeys": ["k-"]});
    assert_eq!(api.call("CacheService", "GetCacheEntryDownloadURL", &found).ok()["matched_key"], "k-1");
}

#[test]
fn malformed_request_is_answered_and_ends_the_connection() {
    let fixture = Fixture::new();
    for text in ["\u{1}\u{2}\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "GET /%zz HTTP/1.1\r\n\r\n"] {
        let mut http = Http::new(fixture.service.addr());
        http.write(text.as_bytes());
        assert_eq!(http.read(false).twirp(), (400, "malformed".into()), "{text:?}");
        assert!(http.is_closed());
    }
}

#[test]
fn connection_is_reused_after_unread_bodies() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    let mut http = Http::new(api.addr);
    let void = target(&url).replace("sig=", "sig=0");
    for _ in 0..3 {
        assert_eq!(http.send("PUT", &void, &[], &vec![1; 3 << 20]).azure().0, 403);
        assert_eq!(http.send("PUT", target(&url), &[("x-ms-blob-type", "BlockBlob")], &vec![1; 3 << 20]).status, 201);
    }
    // Two requests in one packet.
    let head = format!("PUT {} HTTP/1.1\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 3\r\n\r\nabc", target(&url));
    http.write(format!("{head}{head}").as_bytes());
    assert_eq!((http.read(false).status, http.read(false).status), (201, 201));
    http.write(head.replace("Content-Length", "Connection: close\r\nContent-Length").as_bytes());
    let last = http.read(false);
    assert_eq!((last.status, last.header("connection")), (201, Some("close")));
    assert!(http.is_closed());
}

#[test]
fn expect_continue_is_answered() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.upload_url("k");
    let expect = |url: &str| {
        let mut http = Http::new(api.addr);
        let head = "x-ms-blob-type: BlockBlob\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
        http.write(format!("PUT {} HTTP/1.1\r\n{head}", target(url)).as_bytes());
        let answer = http.read(false);
        (http, answer)
    };
    let (mut http, answer) = expect(&url);
    assert_eq!(answer.status, 100);
    http.write(b"abc");
    assert_eq!(http.read(false).status, 201);
    let (mut http, answer) = expect(&url.replace("sig=", "sig=0"));
    assert_eq!(answer.azure().0, 403);
    assert!(http.is_closed());
}

#[test]
fn request_ids_differ_and_a_taken_port_is_an_error() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let id =
        || api.cache("GetCacheEntryDownloadURL", json!({"key": "k"})).header("x-ms-request-id").unwrap().to_owned();
    assert_ne!(id(), id());
    let mut config = handoff_services::ServiceConfig::new(fixture.dir.path().join("second"));
    config.bind = fixture.service.addr();
    let error = handoff_services::Service::start_blocking(config).err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}", fixture.service.addr())), "{error}");
    assert!(error.contains("choose another"), "{error}");
    assert!(!fixture.dir.path().join("second").exists());
}

#[test]
fn shutdown_closes_connections_and_deletes_the_store() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    api.save_cache("k", b"x");
    let mut idle = Http::new(api.addr);
    let Fixture { service, dir } = fixture;
    drop(service);
    assert!(idle.is_closed());
    assert!(!dir.path().join("store").exists());
    assert!(std::net::TcpStream::connect(api.addr).is_err());
}
