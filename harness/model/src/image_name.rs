//! Names of images, as Docker reads them.

/// Checks that a text can name an image: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, or an identifier of one.
///
/// Docker's own answer to a wrong name depends on the command, and is often about something else.
///
/// # Errors
/// What is wrong with the name and how it is fixed, without the name itself.
pub fn check(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("an image's name is empty: give one, for example app:1".to_owned());
    }
    if let Some(bad) = name.chars().find(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("a name of an image holds no {}: leave it out", described(bad)));
    }
    if name.contains("<none>") {
        return Err(
            "<none> is how `docker image ls` lists an image without a tag: name its IMAGE ID instead".to_owned()
        );
    }
    let (name, digest) = name.split_once('@').map_or((name, None), |(name, digest)| (name, Some(digest)));
    if let Some(digest) = digest {
        let hex = digest.split_once(':').map_or("", |(_, hex)| hex);
        if hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("`{digest}` is no digest: write NAME@sha256:HEX"));
        }
    }
    // An identifier with its algorithm is no name with a tag.
    if name.strip_prefix("sha256:").is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Ok(());
    }
    let is_host = |f: &str| f.contains(['.', ':']) || f == "localhost" || f.bytes().any(|b| b.is_ascii_uppercase());
    // `Team/App`: Docker takes a first part with capitals for a host, and then refuses the rest or asks that host.
    let with_host = name.split_once('/').filter(|(first, _)| is_host(first));
    let (host, path) = with_host.map_or((None, name), |(host, path)| (Some(host), path));
    let last = path.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match path[last..].split_once(':') {
        Some((end, tag)) => (&path[..last + end.len()], Some(tag)),
        None => (path, None),
    };
    let plain_host = host.filter(|h| !h.contains(['.', ':']) && *h != "localhost");
    if let Some(text) = plain_host.or(Some(path).filter(|p| p.bytes().any(|b| b.is_ascii_uppercase()))) {
        return Err(format!("names of images have no capitals: write `{}` for `{text}`", text.to_lowercase()));
    }
    let bad = path.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(*c)));
    if let Some(bad) = bad {
        return Err(format!("a name of an image holds no {}: use a-z, 0-9, `.`, `_`, `-` and `/`", described(bad)));
    }
    let ends = |part: &str| {
        let plain = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        plain(part.bytes().next()) && plain(part.bytes().last())
    };
    if let Some(part) = path.split('/').find(|part| !ends(part)) {
        return Err(format!("each part of an image's name begins and ends with a letter or digit: `{part}` does not"));
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    match tag {
        Some(tag) if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(word) || tag.starts_with(['.', '-']) => {
            Err(format!(
                "`{tag}` is no tag: use up to 128 of letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`"
            ))
        }
        _ => Ok(()),
    }
}

/// A character in words, where it cannot be seen.
pub fn described(c: char) -> String {
    match c {
        '\n' => "line break".to_owned(),
        '\r' => "carriage return".to_owned(),
        '\t' => "tab".to_owned(),
        ' ' => "space".to_owned(),
        c if c.is_control() => format!("control character U+{:04X}", u32::from(c)),
        c => format!("`{c}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_that_docker_accepts_pass() {
        let hex = "0".repeat(64);
        for name in [
            "app",
            "app:1",
            "team/app:V1.2_x-y",
            "example.org/team/app",
            "example.org:5000/a__b/c-d:1",
            "localhost/app",
            "localhost:5000/app:1",
            "Example.org/app",
            &format!("app@sha256:{hex}"),
            &format!("sha256:{hex}"),
            "0123456789ab",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn invalid_image_name_is_refused_with_a_fix() {
        for (name, says) in [
            ("", "is empty"),
            ("a\nb", "no line break"),
            ("a b", "no space"),
            ("repo:<none>", "IMAGE ID"),
            ("Team/App", "write `team` for `Team`"),
            ("App:1", "write `app` for `App`"),
            ("example.org/Team/app", "write `team/app`"),
            ("app:", "no tag"),
            ("app:-x", "no tag"),
            ("a//b", "begins and ends"),
            ("/app", "begins and ends"),
            ("é", "no `é`"),
            ("app@sha256:12", "no digest"),
        ] {
            let error = check(name).unwrap_err();
            assert!(error.contains(says) && !error.contains('\n'), "{name:?}: {error}");
        }
    }
}
