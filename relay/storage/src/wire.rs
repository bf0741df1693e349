//! The JSON of the artifact service. Numbers of 64 bits travel as strings; readers accept both, and both spellings of
//! names, as GitHub's own client does.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

/// Finalized artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Run that uploaded it.
    pub workflow_run_backend_id: String,
    /// Job that uploaded it.
    pub workflow_job_run_backend_id: String,
    /// Number of the artifact; later artifacts have larger ones.
    #[serde(with = "Int")]
    pub database_id: u64,
    /// Name.
    pub name: String,
    /// Size in bytes.
    #[serde(with = "Int")]
    pub size: u64,
    /// Digest (`sha256:` and hex), if the uploader sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Request of any method. Absent fields are not sent.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Request<'a> {
    workflow_run_backend_id: &'a str,
    workflow_job_run_backend_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name_filter: Option<&'a str>,
    /// End of the artifact, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(run: &'a str, job: &'a str, name: &'a str) -> Self {
        Self { workflow_run_backend_id: run, workflow_job_run_backend_id: job, name: Some(name), ..Self::default() }
    }

    /// Request about a listed artifact, with the ids of its job.
    pub(crate) fn of(artifact: &'a Artifact) -> Self {
        Self::new(&artifact.workflow_run_backend_id, &artifact.workflow_job_run_backend_id, &artifact.name)
    }
}

/// Answer of any method of both services, with the fields of all of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    pub(crate) ok: bool,
    /// Reason of a refusal.
    pub(crate) message: String,
    #[serde(alias = "signedUploadUrl")]
    pub(crate) signed_upload_url: String,
    #[serde(alias = "signedDownloadUrl")]
    pub(crate) signed_download_url: String,
    #[serde(alias = "signedUrl")]
    pub(crate) signed_url: String,
    #[serde(alias = "matchedKey")]
    pub(crate) matched_key: String,
    #[serde(alias = "artifactId", deserialize_with = "Int::optional")]
    pub(crate) artifact_id: Option<u64>,
    pub(crate) artifacts: Vec<Artifact>,
}

/// 64-bit number: written as a string, read from a string or a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Int {
    Number(u64),
    Text(String),
}

impl Int {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match <Self as Deserialize>::deserialize(deserializer)? {
            Self::Number(number) => Ok(number),
            Self::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }

    fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Self::deserialize(deserializer).map(Some)
    }
}

/// Parses code and message of an error body: JSON of the service or XML of the blob store; empty when neither.
pub(crate) fn parse_error_body(body: &[u8]) -> (String, String) {
    #[derive(Deserialize)]
    struct Failure {
        #[serde(default)]
        code: String,
        #[serde(default)]
        msg: String,
    }
    if let Ok(failure) = serde_json::from_slice::<Failure>(body) {
        return (failure.code, failure.msg);
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.lines().next().unwrap_or_default().to_owned())
    };
    (element("Code").unwrap_or_default(), element("Message").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn artifact_numbers_are_read_from_strings_and_numbers() {
        let json = |id: &str| {
            format!(
                r#"{{"workflow_run_backend_id":"r","workflow_job_run_backend_id":"j","database_id":{id},"name":"n","size":"7","new":1}}"#
            )
        };
        for id in ["100", "\"100\""] {
            let artifact: Artifact = serde_json::from_str(&json(id)).unwrap();
            assert_eq!((artifact.database_id, artifact.size, artifact.digest), (100, 7, None));
        }
        assert!(serde_json::from_str::<Artifact>(&json("\"x\"")).is_err());
    }

    #[test]
    fn request_omits_absent_fields_and_writes_large_numbers_as_text() {
        let mut request = Request::new("r", "j", "n");
        request.size = Some(u64::MAX.to_string());
        request.expires_at = Some("2026-12-01T00:00:00Z".to_owned());
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(
            json,
            r#"{"workflow_run_backend_id":"r","workflow_job_run_backend_id":"j","name":"n","size":"18446744073709551615","expires_at":"2026-12-01T00:00:00Z"}"#
        );
    }

    #[test]
    fn code_and_message_of_json_and_xml_errors_are_parsed() {
        assert_eq!(
            parse_error_body(br#"{"code":"already_exists","msg":"taken"}"#),
            ("already_exists".into(), "taken".into())
        );
        let xml = b"<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code><Message>later\nTime: 1</Message></Error>";
        assert_eq!(parse_error_body(xml), ("ServerBusy".into(), "later".into()));
        assert_eq!(parse_error_body(b"<html>"), (String::new(), String::new()));
    }

    proptest! {
        #[test]
        fn parsing_any_error_body_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_error_body(&body);
        }
    }
}
