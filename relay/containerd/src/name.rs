//! Names of image records: references in full, as the engine writes them.

use crate::{Digest, Error};

/// Full form of an image reference: `app` becomes `docker.io/library/app:latest`.
///
/// dockerd finds an image only under this form. A reference with tag and digest keeps both, as a pull of it does.
///
/// ```
/// assert_eq!(handoff_containerd::full_name("app:1")?, "docker.io/library/app:1");
/// assert_eq!(handoff_containerd::full_name("ghcr.io/me/app")?, "ghcr.io/me/app:latest");
/// # Ok::<(), handoff_containerd::Error>(())
/// ```
///
/// # Errors
/// The text is no reference, or a bare digest.
pub fn full_name(reference: &str) -> Result<String, Error> {
    let bad = || Error::Name(reference.to_owned());
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse::<Digest>().map_err(|_| bad())?)),
        None => (reference, None),
    };
    // A colon after the last slash begins the tag; any other one begins the registry's port.
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    if tag.is_some_and(|t| !is_tag(t)) {
        return Err(bad());
    }
    let (domain, rest) = match path.split_once('/') {
        Some((domain, rest)) if is_domain(domain) => (domain, rest),
        _ => ("docker.io", path),
    };
    let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
    let library = if domain == "docker.io" && !rest.contains('/') { "library/" } else { "" };
    let is_hex_id = domain == "docker.io" && rest.len() == 64 && rest.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex_id || rest.len() > 255 || !rest.split('/').all(is_component) {
        return Err(bad());
    }
    let tag = match (tag, &digest) {
        (Some(tag), _) => format!(":{tag}"),
        (None, None) => ":latest".to_owned(),
        (None, Some(_)) => String::new(),
    };
    let digest = digest.map(|d| format!("@{d}")).unwrap_or_default();
    Ok(format!("{domain}/{library}{rest}{tag}{digest}"))
}

/// Whether the first part of a path is a registry: it has a dot or a port, is `localhost`, or is not in lower case.
fn is_domain(part: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".:-[]".contains(&b);
    let looks = part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|b| b.is_ascii_uppercase());
    looks && part.bytes().all(allowed)
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
        && tag.bytes().next().is_some_and(word)
}

/// Whether a part of a path has lower case and digits, with separators only between them.
fn is_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(alphanumeric) && part.bytes().last().is_some_and(alphanumeric);
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators.into_iter().all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_get_the_engines_full_form() {
        let digest = Digest::of(b"");
        for (short, full) in [
            ("app", "docker.io/library/app:latest"),
            ("app:1.0-rc_2", "docker.io/library/app:1.0-rc_2"),
            ("me/app", "docker.io/me/app:latest"),
            ("docker.io/app", "docker.io/library/app:latest"),
            ("index.docker.io/library/app", "docker.io/library/app:latest"),
            ("ghcr.io/me/a--b__c/d.e:x", "ghcr.io/me/a--b__c/d.e:x"),
            ("127.0.0.1:5000/app:1", "127.0.0.1:5000/app:1"),
            ("localhost/app", "localhost/app:latest"),
        ] {
            assert_eq!(full_name(short).unwrap(), full);
        }
        assert_eq!(full_name(&format!("app@{digest}")).unwrap(), format!("docker.io/library/app@{digest}"));
        assert_eq!(full_name(&format!("app:1@{digest}")).unwrap(), format!("docker.io/library/app:1@{digest}"));
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let id = "a".repeat(64);
        for bad in ["", ":1", "App", "app:", "app:.x", "a/", "/a", "a//b", "a___b", "-a", "a@sha256:1", "a b", "ü", &id]
        {
            assert!(full_name(bad).is_err(), "{bad}");
        }
    }
}
