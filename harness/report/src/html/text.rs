//! Text of a page: escaped, with code and addresses marked.

use std::fmt::Write as _;

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Escaped text in which `backquotes` are code and an address is a link.
pub(super) fn rich(text: &str) -> String {
    let mut out = String::new();
    // Of an odd number of backquotes, the last one marks nothing.
    let pieces: Vec<&str> = text.split('`').collect();
    for (i, piece) in pieces.iter().enumerate() {
        if i % 2 == 1 && i + 1 < pieces.len() {
            let _ = write!(out, "<code>{}</code>", escape(piece));
        } else {
            if i % 2 == 1 {
                out.push('`');
            }
            out.push_str(&links(piece));
        }
    }
    out
}

fn links(text: &str) -> String {
    const SCHEME: &str = "https://";
    let Some(start) = text.find(SCHEME) else { return escape(text) };
    let (before, rest) = text.split_at(start);
    let end = rest.find(|c: char| c.is_whitespace() || "),;<>\"".contains(c)).unwrap_or(rest.len());
    let (address, after) = rest.split_at(end);
    let address = address.trim_end_matches('.');
    let after = &rest[address.len()..rest.len() - after.len()];
    let tail = &rest[end..];
    format!("{}<a href=\"{1}\">{1}</a>{2}{3}", escape(before), escape(address), escape(after), links(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_addresses_are_marked() {
        assert_eq!(rich("a `b<c` d"), "a <code>b&lt;c</code> d");
        assert_eq!(rich("one ` only"), "one ` only");
        assert_eq!(rich("(https://a.b/c, x)"), "(<a href=\"https://a.b/c\">https://a.b/c</a>, x)");
        assert_eq!(rich("see https://a.b."), "see <a href=\"https://a.b\">https://a.b</a>.");
        assert_eq!(escape("a\u{1b}[2J\"<&"), "a [2J&quot;&lt;&amp;");
    }
}
