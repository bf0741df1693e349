//! Pushes of manifests and names that no client could pull.

use handoff_registry::{Digest, Error, StoreKind};

use crate::client::{Image, Lab, Reply, TYPE, blocking, call};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn put(registry: &str, reference: &str, media_type: &str, text: &str) -> (u16, String) {
    let path = format!("/v2/a/manifests/{reference}");
    let reply = call(registry, "PUT", &path, &[("content-type", media_type)], text.as_bytes());
    (reply.status, code(&reply))
}

/// Code of a refusal, empty for a success.
fn code(reply: &Reply) -> String {
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    json.pointer("/errors/0/code").and_then(|code| code.as_str()).unwrap_or_default().to_owned()
}

fn child(text: &str, size: usize, rest: &str) -> String {
    format!(r#"{{"mediaType":"{TYPE}","digest":"{}","size":{size}{rest}}}"#, Digest::of(text.as_bytes()))
}

fn index(children: &[String]) -> String {
    format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, children.join(","))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifest_that_nobody_can_pull_is_refused_before_the_commit() {
    let lab = Lab::new();
    let sender = lab.sender(StoreKind::Artifact, "app").await.unwrap();
    let registry = sender.registry();
    blocking(move || {
        let image = Image::new(&[600 << 10, 9]);
        image.push(&registry);
        let invalid = (400, "MANIFEST_INVALID".to_owned());
        for size in [image.layers[0].len(), image.layers[1].len(), image.config.len()] {
            for wrong in [format!("{}", size + 1), format!("{}", size - 1), "-1".to_owned(), "\"9\"".to_owned()] {
                let text = image.manifest.replacen(&format!("\"size\":{size}"), &format!("\"size\":{wrong}"), 1);
                assert_eq!(put(&registry, "bad", TYPE, &text), invalid, "{size} as {wrong}");
            }
        }
        for contradiction in [DOCKER, INDEX, "text/plain"] {
            assert_eq!(put(&registry, "bad", contradiction, &image.manifest), invalid, "{contradiction}");
        }
        let back = call(&registry, "GET", "/v2/a/manifests/1", &[], b"");
        assert_eq!(back.header("content-type"), Some(TYPE), "no refused push has changed the type");

        // The attestation is there, the only image is not; then the image is there with a wrong size or type.
        let runnable = r#","platform":{"os":"linux"}"#;
        let attestation = r#","platform":{"os":"unknown"}"#;
        let good = || child(&image.manifest, image.manifest.len(), runnable);
        let absent = || child("absent", 6, runnable);
        let attested = || child(&image.manifest, image.manifest.len(), attestation);
        let unknown = (400, "MANIFEST_BLOB_UNKNOWN".to_owned());
        assert_eq!(put(&registry, "bad", INDEX, &index(&[absent(), attested()])), unknown);
        assert_eq!(put(&registry, "bad", INDEX, &index(&[absent()])), unknown);
        let wrong_size = child(&image.manifest, image.manifest.len() + 1, runnable);
        assert_eq!(put(&registry, "bad", INDEX, &index(&[wrong_size])), invalid);
        assert_eq!(put(&registry, "bad", INDEX, &index(&[good().replace(TYPE, DOCKER)])), invalid);
        assert_eq!(put(&registry, "index", INDEX, &index(&[good(), absent(), attested()])).0, 201);
        assert_eq!(call(&registry, "GET", "/v2/a/manifests/bad", &[], b"").status, 404);
    })
    .await;
    assert_eq!(sender.commit(&[("app", "index")]).await.unwrap().layers.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_index_and_image_without_push_are_not_committed() {
    let lab = Lab::new();
    for (name, tag) in [("one", "empty"), ("two", "attested"), ("three", "none")] {
        let sender = lab.sender(StoreKind::Artifact, name).await.unwrap();
        let registry = sender.registry();
        blocking(move || {
            let image = Image::new(&[]);
            image.push(&registry);
            // The specification allows this push.
            assert_eq!(put(&registry, "empty", INDEX, &index(&[])).0, 201);
            let attestation = child(&image.manifest, image.manifest.len(), r#","platform":{"os":"unknown"}"#);
            assert_eq!(put(&registry, "attested", INDEX, &index(&[attestation])).0, 201);
        })
        .await;
        let error = sender.commit(&[("app", tag)]).await.unwrap_err();
        assert!(matches!(error, Error::EmptyIndex(_) | Error::NotPushed { .. }), "{error}");
        assert!(matches!(lab.receiver(StoreKind::Artifact, name).await, Err(Error::NotSent { .. })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn name_and_chunk_against_the_specification_are_refused() {
    let lab = Lab::new();
    let sender = lab.sender(StoreKind::Artifact, "app").await.unwrap();
    let registry = sender.registry();
    blocking(move || {
        for name in ["UPPER", "a//b", "%C3%A9", "a/-b"] {
            for (method, path) in [("POST", "blobs/uploads/"), ("PUT", "manifests/1"), ("GET", "manifests/1")] {
                let reply = call(&registry, method, &format!("/v2/{name}/{path}"), &[], b"");
                assert_eq!((reply.status, code(&reply).as_str()), (400, "NAME_INVALID"), "{method} {name}");
            }
        }
        let begin = || call(&registry, "POST", "/v2/a/blobs/uploads/", &[], b"").header("location").unwrap().to_owned();
        let upload = begin();
        let chunk = |range: &str, body: &[u8]| call(&registry, "PATCH", &upload, &[("content-range", range)], body);
        assert_eq!(chunk("0-9", &[1; 10]).status, 202);
        for (range, body) in [("10-19", [1; 5].as_slice()), ("10-12", &[1; 5])] {
            let reply = chunk(range, body);
            assert_eq!((reply.status, code(&reply).as_str()), (400, "SIZE_INVALID"), "{range}");
        }
        let reply = chunk("ten-19", &[1; 5]);
        assert_eq!((reply.status, code(&reply).as_str()), (400, "BLOB_UPLOAD_INVALID"));
        assert_eq!(chunk("15-19", &[1; 5]).status, 416);
        assert_eq!(chunk("10-14", &[1; 5]).status, 202, "a refused chunk has left nothing");
        let digest = Digest::of(&[1; 15]);
        assert_eq!(call(&registry, "PUT", &format!("{upload}?digest={digest}"), &[], b"").status, 201);
    })
    .await;
}
