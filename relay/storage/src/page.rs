//! Answers that are no answer of the service, for example a page of a gateway: what a message shows of them.

/// Characters that are shown of a body.
const SHOWN: usize = 100;

/// First words of a body on one line, with escaped control characters. It ends before anything that looks like a signature or
/// a token, because gateways repeat the address that they were asked for.
pub(crate) fn first_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = line.to_ascii_lowercase();
    let secret = ["sig=", "bearer ", "authorization"].iter().filter_map(|word| lower.find(word)).min();
    let line = &line[..secret.unwrap_or(line.len())];
    let mut shown = String::new();
    for c in line.chars().take(SHOWN) {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    if shown.len() < line.len() || secret.is_some() {
        shown.push('…');
    }
    if shown.is_empty() { "an empty body".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn page_is_shown_on_one_line_without_control_characters_and_signatures() {
        assert_eq!(first_words(b"<html>\r\n  <title>Bad gateway</title>"), "<html> <title>Bad gateway</title>");
        assert_eq!(first_words(b""), "an empty body");
        assert_eq!(first_words(b"a\x1b[31mb"), "a\\u{1b}[31mb");
        assert_eq!(first_words(b"no route to /b?se=1&Sig=SECRET&x=2"), "no route to /b?se=1&…");
        assert!(!first_words(b"Authorization: Bearer SECRET").contains("SECRET"));
    }

    proptest! {
        #[test]
        fn any_body_is_shown_bounded_and_on_one_line(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let shown = first_words(&body);
            prop_assert!(shown.chars().count() <= SHOWN * 10 + 1);
            prop_assert!(!shown.contains(char::is_control));
        }
    }
}
