//! Text for a terminal: words of a command as a shell takes them, and foreign text in one line.

use std::fmt::Write as _;

/// A word of a command, quoted so that a shell gives exactly this text to the program.
///
/// A word with control characters takes the form `$'…'` of bash, zsh and ksh, so that no line break is lost on a terminal.
pub fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@,+%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut text = "$'".to_owned();
    for c in word.chars() {
        match c {
            '\n' => text.push_str(r"\n"),
            '\r' => text.push_str(r"\r"),
            '\t' => text.push_str(r"\t"),
            '\'' => text.push_str(r"\'"),
            '\\' => text.push_str(r"\\"),
            c if c.is_control() => {
                let _ = write!(text, r"\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('\'');
    text
}

/// Foreign text with its control characters escaped (`\u{1b}`), so that it stays in one line and steers no terminal.
pub fn escaped(text: &str) -> String {
    let pieces = text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() });
    pieces.collect()
}

/// The last lines of a program's output in one line: at most `lines` lines and `chars` characters, empty lines left out.
/// A progress bar's carriage returns separate lines too.
pub fn last_lines(output: &str, lines: usize, chars: usize) -> String {
    let all: Vec<&str> = output.split(['\n', '\r']).map(str::trim).filter(|l| !l.is_empty()).collect();
    let text = escaped(&all[all.len().saturating_sub(lines)..].join("\u{0}")).replace(r"\u{0}", " | ");
    let count = text.chars().count();
    if count <= chars {
        return text;
    }
    // The end says most.
    format!("…{}", text.chars().skip(count - chars).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_word_keeps_quotes_and_line_breaks() {
        for (word, quoted) in [
            ("results/a-b_c.d", "results/a-b_c.d"),
            ("", "''"),
            ("my app", "'my app'"),
            ("it's", r"'it'\''s'"),
            ("$HOME`x`", "'$HOME`x`'"),
            ("l1\nl2", r"$'l1\nl2'"),
            ("it's\ta\\b\u{1b}", r"$'it\'s\ta\\b\u001b'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }

    #[test]
    fn bash_reads_the_quoted_word_unchanged() {
        for word in ["a b", "it's", "l1\nl2", "x\\'\n\u{1b}[0m\u{7f}", "$(id)", "*", "~", "é ü\n", "\r\t'", "!x"] {
            let script = format!("printf %s {}", quote(word));
            let run =
                std::process::Command::new("bash").args(["-c", &script]).env("LC_ALL", "C.UTF-8").output().unwrap();
            assert_eq!(String::from_utf8_lossy(&run.stdout), word, "{script}");
        }
    }

    #[test]
    fn long_output_is_cut_to_its_last_lines() {
        assert_eq!(last_lines("a\n\nb\r\nc\n", 2, 100), "b | c");
        assert_eq!(last_lines("10%\r20%\rred\u{1b}[0m\n", 2, 100), r"20% | red\u{1b}[0m");
        assert_eq!(last_lines("0123456789", 4, 4), "…6789");
        assert_eq!(last_lines("", 4, 4), "");
    }
}
