//! Small YAML writer for workflow files, with a stable and readable text.

use std::fmt::Write;

/// YAML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Text, quoted if needed; several lines become a block.
    Text(String),
    /// Number or flag.
    Bare(String),
    /// Text with a trailing comment.
    Noted(String, String),
    /// List.
    List(Vec<Node>),
    /// Names with values, in order.
    Map(Vec<(String, Node)>),
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Bare(flag.to_string())
    }
}

impl From<u32> for Node {
    fn from(number: u32) -> Self {
        Self::Bare(number.to_string())
    }
}

/// Map from pairs.
pub fn map<K: Into<String>, V: Into<Node>>(pairs: impl IntoIterator<Item = (K, V)>) -> Node {
    Node::Map(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
}

/// Whether a text needs no quotes.
fn is_plain(text: &str) -> bool {
    let special = |c: char| "!&*?|>%@`\"'{[]},#-: \t".contains(c);
    let like_other = |t: &str| {
        ["true", "false", "null", "yes", "no", "on", "off", "~"].contains(&t.to_lowercase().as_str())
            || t.parse::<f64>().is_ok()
    };
    text.chars().next().is_some_and(|c| !special(c))
        && !text.ends_with([' ', ':', '\t'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control)
        && !like_other(text)
}

fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

impl Node {
    /// Text of the value as a file.
    pub fn document(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Self::Map(pairs) => {
                for (name, value) in pairs {
                    // GitHub reads an unquoted `on` as text.
                    let key = if name == "on" { name.clone() } else { scalar(name) };
                    let _ = write!(out, "{:depth$}{key}:", "");
                    value.write_after_name(out, depth);
                    // A blank line separates jobs and top-level keys.
                    if depth == 0 && matches!(value, Self::Map(_)) {
                        out.push('\n');
                    }
                }
            }
            Self::List(items) => {
                for item in items {
                    let mut text = String::new();
                    if let Self::Map(_) = item {
                        item.write(&mut text, depth + 2);
                    } else {
                        let _ = write!(text, "{:indent$}", "", indent = depth + 2);
                        item.write_scalar(&mut text, depth + 2);
                        text.push('\n');
                    }
                    text.replace_range(depth..=depth, "-");
                    out.push_str(&text);
                }
            }
            _ => self.write_scalar(out, depth),
        }
    }

    fn write_after_name(&self, out: &mut String, depth: usize) {
        match self {
            Self::Map(pairs) if pairs.is_empty() => out.push_str(" {}\n"),
            Self::List(items) if items.is_empty() => out.push_str(" []\n"),
            Self::Map(_) | Self::List(_) => {
                out.push('\n');
                self.write(out, depth + 2);
            }
            _ => {
                out.push(' ');
                self.write_scalar(out, depth + 2);
                out.push('\n');
            }
        }
    }

    fn write_scalar(&self, out: &mut String, depth: usize) {
        match self {
            Self::Text(text) if text.trim_end().contains('\n') => {
                out.push('|');
                for line in text.trim_end().lines() {
                    out.push('\n');
                    if !line.is_empty() {
                        let _ = write!(out, "{:depth$}{line}", "");
                    }
                }
            }
            Self::Text(text) => out.push_str(&scalar(text.trim_end())),
            Self::Bare(text) => out.push_str(text),
            Self::Noted(text, note) => {
                let _ = write!(out, "{} # {note}", scalar(text));
            }
            Self::Map(_) | Self::List(_) => self.write(out, depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_only_if_needed() {
        for (text, written) in [
            ("ubuntu-latest", "ubuntu-latest"),
            ("${{ inputs.x }}", "${{ inputs.x }}"),
            ("true", "'true'"),
            ("1", "'1'"),
            ("a: b", "'a: b'"),
            ("it's # x", "'it''s # x'"),
            ("", "''"),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    #[test]
    fn maps_lists_blocks_and_comments_are_written() {
        let step = Node::Map(vec![
            ("uses".into(), Node::Noted("a/b@c".into(), "v4".into())),
            ("run".into(), "one\n\ntwo\n".into()),
        ]);
        let doc = map([("on", map([("push", Node::Map(vec![]))])), ("steps", Node::List(vec![step, "x".into()]))]);
        let expected = "on:\n  push: {}\n\nsteps:\n  - uses: a/b@c # v4\n    run: |\n      one\n\n      two\n  - x\n";
        assert_eq!(doc.document(), expected);
    }
}
