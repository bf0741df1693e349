//! XML of Put Block List, and block ids.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest number of blocks of a blob (Azure's limit).
pub(crate) const MAX_BLOCKS: usize = 50_000;

/// Decoded block id: at most 64 bytes.
pub(crate) type BlockId = Vec<u8>;

/// Kind of block that an entry of the list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A committed block.
    Committed,
    /// A staged block.
    Uncommitted,
    /// A staged block if there is one, else a committed one.
    Latest,
}

/// Decodes a block id; `None` when it is not base64 of 1 to 64 bytes.
pub(crate) fn block_id(text: &str) -> Option<BlockId> {
    // A `+` that a client did not encode is a space in the query.
    let id = STANDARD.decode(text.replace(' ', "+")).ok()?;
    (1..=64).contains(&id.len()).then_some(id)
}

/// Formats a block id as clients write it.
pub(crate) fn show(id: &[u8]) -> String {
    STANDARD.encode(id)
}

/// Parses a block list. Elements have no attributes, as clients send none.
///
/// # Errors
/// Place of the malformed part: its element and its block id.
pub(crate) fn parse(xml: &str) -> Result<Vec<(Source, BlockId)>, String> {
    let outside = || "it is not one BlockList element".to_owned();
    let mut rest = xml.trim_start_matches('\u{feff}').trim();
    if let Some(declared) = rest.strip_prefix("<?xml") {
        rest = declared.split_once("?>").ok_or_else(outside)?.1.trim_start();
    }
    if rest == "<BlockList/>" || rest == "<BlockList />" {
        return Ok(Vec::new());
    }
    rest = rest.strip_prefix("<BlockList>").ok_or_else(outside)?;
    let mut blocks = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("</BlockList>") {
            return if after.trim().is_empty() { Ok(blocks) } else { Err(outside()) };
        }
        let number = blocks.len() + 1;
        let broken = || format!("element {number} is not complete");
        let (name, after) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(broken)?;
        let source = match name {
            "Committed" => Source::Committed,
            "Uncommitted" => Source::Uncommitted,
            "Latest" => Source::Latest,
            _ => return Err(format!("element {number} is {name:?}, not Committed, Uncommitted or Latest")),
        };
        let (text, after) = after.split_once("</").ok_or_else(broken)?;
        rest = after.strip_prefix(name).and_then(|rest| rest.strip_prefix('>')).ok_or_else(broken)?;
        let id = block_id(&unescape(text.trim()));
        let id =
            id.ok_or_else(|| format!("the block id {text:?} of element {number} is not base64 of 1 to 64 bytes"))?;
        blocks.push((source, id));
    }
}

// Some clients escape characters that need no escape.
fn unescape(text: &str) -> String {
    text.replace("&#43;", "+").replace("&#x2B;", "+").replace("&#47;", "/").replace("&#61;", "=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn block_lists_of_both_clients_are_parsed() {
        let js = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><BlockList><Latest>YQ==</Latest>\
                  <Latest>Yg==</Latest></BlockList>";
        assert_eq!(parse(js).unwrap(), [(Source::Latest, b"a".to_vec()), (Source::Latest, b"b".to_vec())]);
        let other = "<BlockList>\n <Committed>Yg==</Committed>\n <Uncommitted> YQ== </Uncommitted>\n</BlockList>\n";
        assert_eq!(parse(other).unwrap(), [(Source::Committed, b"b".to_vec()), (Source::Uncommitted, b"a".to_vec())]);
        assert_eq!(parse("<BlockList></BlockList>").unwrap(), []);
        assert_eq!(parse("<BlockList/>").unwrap(), []);
    }

    #[test]
    fn malformed_block_list_is_refused() {
        for xml in [
            "",
            "<BlockList>",
            "<BlockList><Latest>YQ==</Latest>",
            "<BlockList><Latest>YQ==</Committed></BlockList>",
            "<BlockList><Oldest>YQ==</Oldest></BlockList>",
            "<BlockList><Latest>not base64</Latest></BlockList>",
            "<BlockList><Latest></Latest></BlockList>",
            "<BlockList></BlockList>more",
            "<Other/>",
        ] {
            assert!(parse(xml).is_err(), "{xml}");
        }
        let list = "<BlockList><Latest>YQ==</Latest><Latest>a b!</Latest></BlockList>";
        assert_eq!(parse(list).unwrap_err(), "the block id \"a b!\" of element 2 is not base64 of 1 to 64 bytes");
    }

    #[test]
    fn block_id_has_1_to_64_bytes_of_base64() {
        assert_eq!(block_id("+ /="), None);
        assert_eq!(block_id("YQ"), None);
        assert_eq!(block_id(""), None);
        assert_eq!(block_id(" /A="), block_id("+/A="), "an unencoded plus");
        assert!(block_id(&STANDARD.encode([7; 64])).is_some());
        assert!(block_id(&STANDARD.encode([7; 65])).is_none());
    }

    proptest! {
        #[test]
        fn written_block_list_is_parsed_to_itself(ids in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..20)) {
            let body = ids.iter().map(|id| format!("<Latest>{}</Latest>", STANDARD.encode(id))).collect::<Vec<_>>().concat();
            let read = parse(&format!("<?xml version=\"1.0\"?>\n<BlockList>{body}</BlockList>")).unwrap();
            prop_assert_eq!(read.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), ids);
        }

        #[test]
        fn parsing_any_text_never_panics(text: String) {
            let _ = parse(&text);
            let _ = parse(&format!("<BlockList>{text}"));
        }
    }
}
