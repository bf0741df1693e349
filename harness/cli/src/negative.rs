//! Negative numbers after options: no option takes one, and each says so itself.

use std::ffi::OsString;

/// Joins `--rounds -1` to `--rounds=-1`, for every option of every verb: clap takes `-1` for an option of its own, and its tip (`-- -1`)
/// fixes nothing. There is no option whose name is a digit.
pub fn joined(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut ended = false;
    for arg in args {
        let bytes = arg.as_encoded_bytes();
        let negative = bytes.len() > 1 && bytes[0] == b'-' && (bytes[1].is_ascii_digit() || bytes[1] == b'.');
        let option = |last: &OsString| {
            let last = last.as_encoded_bytes();
            last.len() > 2 && last.starts_with(b"--") && !last.contains(&b'=')
        };
        if let Some(last) = all.last_mut().filter(|last| negative && !ended && option(last)) {
            last.push("=");
            last.push(arg);
        } else {
            ended |= arg == "--";
            all.push(arg);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_negative_numbers_after_an_option_are_joined() {
        let joined_text =
            |text: &str| joined(text.split(' ').map(OsString::from)).join(" ".as_ref()).into_string().unwrap();
        assert_eq!(joined_text("h plan --rounds -1 --seed 2"), "h plan --rounds=-1 --seed 2");
        assert_eq!(
            joined_text("h recommend --image-size -1GiB --build-seconds -.5"),
            "h recommend --image-size=-1GiB --build-seconds=-.5"
        );
        for same in ["h plan --list -x", "h -1", "h plan --rounds=1 -1", "h plan --out -- -1", "h plan --sizes - 1"] {
            assert_eq!(joined_text(same), same);
        }
    }
}
