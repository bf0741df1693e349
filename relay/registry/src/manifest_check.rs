//! Checks of a pushed manifest: one that no client could pull is refused when it is pushed, not when a job needs it.
//!
//! Registries that accept everything hand the fault to the consumer (docker/for-linux#1296, opencontainers/distribution-spec#590).

use serde_json::Value;

use crate::digest::Digest;
use crate::manifest::{INDEX, is_runnable};

/// Media types of images. The first one is that of a manifest that states none.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// Media types of indexes.
const INDEXES: [&str; 2] = [INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"];

/// Manifest that is valid by itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Media type, from the manifest or its push.
    pub(crate) media_type: String,
    /// Config and layers, with their sizes.
    pub(crate) blobs: Vec<(Digest, u64)>,
    /// Manifests of an index.
    pub(crate) children: Vec<Child>,
    /// Layers whose licence keeps them out of registries.
    pub(crate) foreign: Vec<Digest>,
    /// Manifest that this one is about. It may be missing.
    pub(crate) subject: Option<Digest>,
}

/// Manifest of an index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) media_type: Option<String>,
    /// Whether an engine may run it. Attestations have the platform `unknown/unknown`.
    pub(crate) is_runnable: bool,
}

/// Checks a manifest that was pushed with this Content-Type.
pub(crate) fn check(text: &[u8], content_type: &str) -> Result<Checked, String> {
    let json: Value = serde_json::from_slice(text).map_err(|e| format!("the manifest is no JSON: {e}"))?;
    if json.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
        return Err("the schemaVersion is not 2: push an OCI image or a Docker schema 2 image".to_owned());
    }
    let is_index = json.get("manifests").is_some();
    if is_index == json.get("config").is_some() {
        return Err("it must have a config or manifests, and not both".to_owned());
    }
    let mut checked = Checked { media_type: media_type(&json, content_type, is_index)?, ..Checked::default() };
    checked.subject = json.get("subject").and_then(|subject| digest(subject).ok());
    if is_index {
        for descriptor in list(&json, "manifests")? {
            checked.children.push(Child {
                digest: digest(descriptor)?,
                size: size(descriptor)?,
                media_type: text_of(descriptor, "mediaType").map(str::to_owned),
                is_runnable: is_runnable(descriptor),
            });
        }
        return Ok(checked);
    }
    for descriptor in json.get("config").into_iter().chain(list(&json, "layers")?) {
        let (digest, size) = (digest(descriptor)?, size(descriptor)?);
        let media_type = text_of(descriptor, "mediaType").unwrap_or_default();
        if media_type.contains("foreign") || media_type.contains("nondistributable") {
            checked.foreign.push(digest);
        } else {
            checked.blobs.push((digest, size));
        }
    }
    Ok(checked)
}

/// Media type of a manifest. A push with another one would change the type of this digest for every tag.
fn media_type(json: &Value, content_type: &str, is_index: bool) -> Result<String, String> {
    let pushed = content_type.split(';').next().unwrap_or_default().trim();
    let stated = match json.get("mediaType") {
        None => None,
        Some(stated) => Some(stated.as_str().ok_or("the mediaType is no text")?),
    };
    let fitting = if is_index { INDEXES } else { IMAGES };
    let media_type = match (stated, pushed) {
        (Some(stated), pushed) if !pushed.is_empty() && stated != pushed => {
            return Err(format!("the Content-Type {pushed} contradicts the mediaType {stated}"));
        }
        (Some(stated), _) => stated,
        (None, "") => fitting[0],
        // Docker's types demand the field; without it, the same text could be pushed under two types.
        (None, pushed) if pushed == fitting[0] => pushed,
        (None, pushed) => {
            return Err(format!("it states no mediaType, so the Content-Type {pushed} cannot be its type"));
        }
    };
    if fitting.contains(&media_type) {
        return Ok(media_type.to_owned());
    }
    let kind = if is_index { "an index" } else { "an image" };
    Err(format!("it is {kind}, and {media_type} is not the type of one"))
}

/// Elements of a list. Some writers in Go write null for an empty one.
fn list<'a>(json: &'a Value, name: &str) -> Result<&'a [Value], String> {
    match json.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(list) => list.as_array().map(Vec::as_slice).ok_or_else(|| format!("{name} is no list")),
    }
}

fn text_of<'a>(descriptor: &'a Value, name: &str) -> Option<&'a str> {
    descriptor.get(name).and_then(Value::as_str)
}

fn digest(descriptor: &Value) -> Result<Digest, String> {
    let text = text_of(descriptor, "digest").ok_or("a descriptor has no digest")?;
    text.parse().map_err(|e: crate::InvalidDigest| e.to_string())
}

fn size(descriptor: &Value) -> Result<u64, String> {
    let size = descriptor.get("size").ok_or("a descriptor has no size")?;
    size.as_u64().ok_or_else(|| format!("a descriptor has the size {size}"))
}

/// Whether `name` is a valid repository: words of lower-case letters and digits, joined by `.`, `_`, `__`, hyphens and `/`.
pub(crate) fn is_repository(name: &str) -> bool {
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= 255
        && name.split('/').all(|part| {
            let words = part.as_bytes();
            let edges = words.first().is_some_and(is_word) && words.last().is_some_and(is_word);
            let mut separators = words.split(is_word).filter(|separator| !separator.is_empty());
            edges && separators.all(|s| matches!(s, b"." | b"_" | b"__") || s.iter().all(|b| *b == b'-'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repositories_of_the_specification_are_accepted() {
        for good in ["a", "a/b", "library/app-1.0_x__y--z", "0/1/2"] {
            assert!(is_repository(good), "{good}");
        }
        for bad in [
            "",
            "UPPER",
            "a/Team",
            "a//b",
            "/a",
            "a/",
            "é",
            "%C3%A9",
            "a..b",
            "a.-b",
            "-a",
            "a_",
            "a b",
            &"x".repeat(256),
        ] {
            assert!(!is_repository(bad), "{bad}");
        }
    }

    fn image(rest: &str) -> String {
        let digest = Digest::of(b"c");
        format!(r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":3}}{rest}}}"#)
    }

    #[test]
    fn type_of_a_manifest_cannot_be_changed_by_its_push() {
        let [oci, docker] = IMAGES;
        let stated = |media_type: &str| image(&format!(r#","mediaType":"{media_type}""#));
        let of = |text: &str, pushed: &str| check(text.as_bytes(), pushed).map(|checked| checked.media_type);
        assert_eq!(of(&image(""), "").unwrap(), oci);
        assert_eq!(of(&image(""), oci).unwrap(), oci);
        assert_eq!(of(&stated(docker), docker).unwrap(), docker);
        assert_eq!(of(&stated(oci), &format!("{oci}; charset=utf-8")).unwrap(), oci);
        for (text, pushed) in [
            (stated(oci), docker),
            (stated(docker), oci),
            (stated(oci), INDEX),
            (stated(INDEX), INDEX),
            (stated("text/plain"), "text/plain"),
            (image(""), docker),
            (image(""), INDEX),
            (image(r#","manifests":[]"#), oci),
        ] {
            assert!(of(&text, pushed).is_err(), "{text} as {pushed}");
        }
    }

    #[test]
    fn descriptor_without_a_usable_size_or_digest_is_refused() {
        let digest = Digest::of(b"layer");
        let layer = |size: &str| image(&format!(r#","layers":[{{"digest":"{digest}"{size}}}]"#));
        let checked = check(layer(r#","size":9"#).as_bytes(), "").unwrap();
        assert_eq!(checked.blobs, [(Digest::of(b"c"), 3), (digest.clone(), 9)]);
        for size in ["", r#","size":-1"#, r#","size":1.5"#, r#","size":"9""#, r#","size":18446744073709551616"#] {
            assert!(check(layer(size).as_bytes(), "").is_err(), "{size}");
        }
        assert!(check(image(r#","layers":[{"digest":"x","size":1}]"#).as_bytes(), "").is_err());
        assert!(check(image(r#","layers":{}"#).as_bytes(), "").is_err());
        assert!(check(image(r#","layers":null"#).as_bytes(), "").unwrap().foreign.is_empty());
    }

    #[test]
    fn attestations_are_not_runnable() {
        let child = |rest: &str| format!(r#"{{"digest":"{}","size":1{rest}}}"#, Digest::of(rest.as_bytes()));
        let children = [
            child(""),
            child(r#","platform":{"os":"linux"}"#),
            child(r#","platform":{"os":"unknown"}"#),
            child(r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#),
        ];
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
        let checked = check(index.as_bytes(), INDEX).unwrap();
        assert_eq!(checked.children.iter().map(|c| c.is_runnable).collect::<Vec<_>>(), [true, true, false, false]);
    }
}
