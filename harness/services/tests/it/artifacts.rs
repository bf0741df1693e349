//! `ArtifactService`, call by call.

use serde_json::json;

use crate::support::{Fixture, target};

#[test]
fn artifact_is_uploaded_listed_downloaded_and_deleted() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let id = api.upload_artifact("image", b"content");
    let listed = api.artifact("ListArtifacts", json!({})).ok();
    let artifact = &listed["artifacts"][0];
    assert_eq!(artifact["name"], "image");
    assert_eq!(artifact["database_id"], json!(id), "a 64-bit number is a string");
    assert_eq!(artifact["size"], "7");
    assert_eq!(artifact["digest"], "sha256:00");
    assert_eq!(
        (&artifact["workflow_run_backend_id"], &artifact["workflow_job_run_backend_id"]),
        (&json!("run-1"), &json!("job-1"))
    );
    assert!(artifact["created_at"].as_str().unwrap().ends_with('Z'));

    let url = api.artifact("GetSignedArtifactURL", json!({"name": "image"})).ok()["signed_url"].take();
    let got = api.blob("GET", url.as_str().unwrap(), &[], b"");
    assert_eq!((got.status, got.body.as_slice()), (200, b"content".as_slice()));
    assert_eq!(
        got.header("content-disposition"),
        Some("attachment; filename=\"image.zip\"; filename*=UTF-8''image.zip")
    );

    let deleted = api.artifact("DeleteArtifact", json!({"name": "image"})).ok();
    assert_eq!(deleted, json!({"ok": true, "artifact_id": id}));
    assert_eq!(api.artifact("ListArtifacts", json!({})).ok(), json!({"artifacts": []}));
    assert_eq!(api.blob("GET", url.as_str().unwrap(), &[], b"").azure().0, 404);
    assert_eq!(api.artifact("GetSignedArtifactURL", json!({"name": "image"})).twirp(), (404, "not_found".into()));
    assert_eq!(fixture.files(), 0);
}

#[test]
fn list_is_filtered_by_name_and_id() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let ids: Vec<String> = ["a", "b"].iter().map(|name| api.upload_artifact(name, b"x")).collect();
    let names = |filter| {
        let answer = api.artifact("ListArtifacts", filter).ok();
        let names = answer["artifacts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|artifact| artifact["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(json!({})), ["a", "b"]);
    assert_eq!(names(json!({"name_filter": "b"})), ["b"]);
    assert_eq!(names(json!({"id_filter": ids[0]})), ["a"]);
    assert_eq!(names(json!({"id_filter": ids[0], "name_filter": "b"})), [""; 0]);
}

#[test]
fn artifact_name_is_taken_from_creation_until_deletion() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let create = || api.artifact("CreateArtifact", json!({"name": "a", "version": 7}));
    assert_eq!(create().status, 200);
    assert_eq!(create().twirp(), (409, "already_exists".into()));
    assert_eq!(api.artifact("DeleteArtifact", json!({"name": "a"})).status, 200);
    api.upload_artifact("a", b"x");
    assert_eq!(create().twirp(), (409, "already_exists".into()));
    // Another run has names of its own.
    let other = fixture.api(&fixture.token(|spec| spec.run = "run-2".into()));
    let fields = json!({"name": "a", "version": 7, "workflow_run_backend_id": "run-2"});
    assert_eq!(other.artifact("CreateArtifact", fields).status, 200);
}

#[test]
fn run_sees_only_its_artifacts() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    api.upload_artifact("a", b"x");
    let other = fixture.api(&fixture.token(|spec| spec.run = "run-2".into()));
    assert_eq!(other.artifact("ListArtifacts", json!({})).twirp(), (403, "permission_denied".into()));
    let own = other.artifact("ListArtifacts", json!({"workflow_run_backend_id": "run-2"}));
    assert_eq!(own.ok(), json!({"artifacts": []}));
    // A consumer of the same run is another job, and names the producer's.
    let consumer = fixture.api(&fixture.token(|spec| spec.job = "job-2".into()));
    assert_eq!(consumer.artifact("GetSignedArtifactURL", json!({"name": "a"})).status, 200);
    let wrong = json!({"name": "a", "workflow_job_run_backend_id": "job-2"});
    assert_eq!(consumer.artifact("GetSignedArtifactURL", wrong).twirp().0, 404);
}

#[test]
fn artifact_is_invisible_before_finalize() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let url = api.artifact("CreateArtifact", json!({"name": "a", "version": 7})).ok()["signed_upload_url"].take();
    let url = url.as_str().unwrap();
    let finalize =
        |size: &str| api.artifact("FinalizeArtifact", json!({"name": "a", "size": size, "hash": "sha256:1"}));
    assert_eq!(finalize("3").twirp(), (412, "failed_precondition".into()), "nothing uploaded");
    api.put_blob(url, b"abc");
    assert_eq!(api.artifact("ListArtifacts", json!({})).ok(), json!({"artifacts": []}));
    assert_eq!(api.artifact("GetSignedArtifactURL", json!({"name": "a"})).twirp().0, 404);
    assert_eq!(finalize("4").twirp(), (400, "invalid_argument".into()), "another size");
    let id = finalize("3").ok();
    assert_eq!(finalize("3").ok(), id, "repeated after a lost answer");
    assert_eq!(
        api.blob("PUT", url, &[("x-ms-blob-type", "BlockBlob")], b"new").azure(),
        (409, "BlobImmutableDueToPolicy".into())
    );
}

#[test]
fn raw_artifact_keeps_name_and_type_and_has_no_zip_path() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let name = "bild größe.tar";
    let fields = json!({"name": name, "version": 7, "mime_type": "application/x-tar"});
    let url = api.artifact("CreateArtifact", fields).ok()["signed_upload_url"].take();
    api.put_blob(url.as_str().unwrap(), b"tar");
    api.artifact("FinalizeArtifact", json!({"name": name, "size": 3})).ok();
    let url = api.artifact("GetSignedArtifactURL", json!({"name": name})).ok()["signed_url"].take();
    let path = target(url.as_str().unwrap()).split('?').next().unwrap().to_owned();
    assert!(!path.contains(".zip") && path.split('/').count() >= 4, "{path}");
    let got = api.blob("GET", url.as_str().unwrap(), &[], b"");
    assert_eq!(got.header("content-type"), Some("application/x-tar"));
    assert_eq!(
        got.header("content-disposition"),
        Some("attachment; filename=\"bild gr__e.tar\"; filename*=UTF-8''bild%20gr%C3%B6%C3%9Fe.tar")
    );
}

#[test]
fn zip_is_recognized_by_type_and_path() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let create = json!({"name": "z", "version": 7, "mime_type": "application/zip"});
    let url = api.artifact("CreateArtifact", create).ok()["signed_upload_url"].take();
    assert!(url.as_str().unwrap().contains(".zip?"), "{url}");
    // Version 4 states no type; the blob's own counts.
    let url = api.artifact("CreateArtifact", json!({"name": "old", "version": 4})).ok()["signed_upload_url"].take();
    let headers = [("x-ms-blob-type", "BlockBlob"), ("x-ms-blob-content-type", "application/octet-stream")];
    assert_eq!(api.blob("PUT", url.as_str().unwrap(), &headers, b"zstd").status, 201);
    api.artifact("FinalizeArtifact", json!({"name": "old", "size": "4"})).ok();
    let url = api.artifact("GetSignedArtifactURL", json!({"name": "old"})).ok()["signed_url"].take();
    assert_eq!(
        api.blob("GET", url.as_str().unwrap(), &[], b"").header("content-type"),
        Some("application/octet-stream")
    );
}

#[test]
fn bad_requests_are_refused_in_json() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    for fields in [json!({}), json!({"name": ""}), json!({"name": "a/b"}), json!({"name": "a:b"})] {
        assert_eq!(
            api.artifact("CreateArtifact", fields.clone()).twirp(),
            (400, "invalid_argument".into()),
            "{fields}"
        );
    }
    assert_eq!(api.artifact("CreateArtifact", json!({"name": 7})).twirp(), (400, "malformed".into()));
    for method in ["FinalizeArtifact", "DeleteArtifact", "GetSignedArtifactURL"] {
        assert_eq!(api.artifact(method, json!({"name": "none"})).twirp(), (404, "not_found".into()), "{method}");
    }
    let unknown =
        json!({"name": "new", "version": 99, "field_of_next_year": {"a": [1]}, "expires_at": "2026-12-01T00:00:00Z"});
    assert_eq!(api.artifact("CreateArtifact", unknown).status, 200);
}

#[test]
fn refused_name_is_reported_with_its_character() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    for (name, character) in
        [("a:b", "':'"), ("a\\b", "'\\\\'"), ("a\0", "'\\0'"), ("a\tb", "'\\t'"), ("a\u{85}", "'\\u{85}'")]
    {
        let answer = api.artifact("CreateArtifact", json!({"name": name, "version": 7}));
        assert_eq!(answer.twirp(), (400, "invalid_argument".into()), "{name:?}");
        let message = answer.json()["msg"].as_str().unwrap().to_owned();
        assert!(message.contains(&format!("the forbidden character {character}:")), "{message}");
    }
    assert_eq!(api.artifact("CreateArtifact", json!({"name": "a é (1)", "version": 7})).status, 200);
}

#[test]
fn expired_artifact_is_not_found_and_its_name_is_free() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    let create =
        |name: &str, end: &str| api.artifact("CreateArtifact", json!({"name": name, "version": 7, "expires_at": end}));
    for (name, end) in [("kept", "2999-01-01T00:00:00Z"), ("camel", "2999-01-01T00:00:00.123456789Z")] {
        let url = create(name, end).ok()["signed_upload_url"].take();
        api.put_blob(url.as_str().unwrap(), b"x");
        api.artifact("FinalizeArtifact", json!({"name": name, "size": "1"})).ok();
        assert_eq!(api.artifact("GetSignedArtifactURL", json!({"name": name})).status, 200, "{name}");
    }
    assert_eq!(create("over", "2020-01-01T00:00:00Z").status, 200);
    assert_eq!(api.artifact("GetSignedArtifactURL", json!({"name": "over"})).twirp(), (404, "not_found".into()));
    assert_eq!(api.artifact("ListArtifacts", json!({})).ok()["artifacts"].as_array().unwrap().len(), 2);
    assert_eq!(create("over", "2999-01-01T00:00:00Z").status, 200);
    assert_eq!(create("bad", "tomorrow").twirp(), (400, "invalid_argument".into()));

    // A time that comes while the artifact is there.
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let url = create("short", &end.to_string()).ok()["signed_upload_url"].take();
    api.put_blob(url.as_str().unwrap(), b"x");
    api.artifact("FinalizeArtifact", json!({"name": "short", "size": "1"})).ok();
    while api.artifact("GetSignedArtifactURL", json!({"name": "short"})).status == 200 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(jiff::Timestamp::now().as_second() >= end.as_second());
    assert_eq!(fixture.files(), 2);
}

#[test]
fn unfinished_artifact_is_deleted_by_its_own_job_only() {
    let fixture = Fixture::new();
    let api = fixture.api(&fixture.token(|_| ()));
    api.artifact("CreateArtifact", json!({"name": "a", "version": 7})).ok();
    let other = json!({"name": "a", "workflow_job_run_backend_id": "job-2"});
    assert_eq!(api.artifact("DeleteArtifact", other).twirp().0, 404);
    assert_eq!(api.artifact("DeleteArtifact", json!({"name": "a"})).status, 200);
    assert_eq!(api.artifact("CreateArtifact", json!({"name": "a", "version": 7})).status, 200);
}
