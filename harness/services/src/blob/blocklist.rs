//! The XML of Put Block List, and block ids.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Most blocks that a blob may have (Azure's limit).
pub(crate) const MAX_BLOCKS: usize = 50_000;

/// A block id, decoded: at most 64 bytes.
pub(crate) type BlockId = Vec<u8>;

/// Which of a blob's blocks an entry of the list means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Of the blob as it is committed.
    Committed,
    /// Staged since.
    Uncommitted,
    /// Staged if there is one, else committed.
    Latest,
}

/// Decodes a block id; `None` when it is not base64 of 1 to 64 bytes.
pub(crate) fn block_id(text: &str) -> Option<BlockId> {
    // A `+` that a client did not encode has become a space in the query.
    let id = STANDARD.decode(text.replace(' ', "+")).ok()?;
    (1..=64).contains(&id.len()).then_some(id)
}

/// Reads a block list; `None` when it is not one. Only what clients send is understood: elements without attributes.
pub(crate) fn parse(xml: &str) -> Option<Vec<(Source, BlockId)>> {
    let mut rest = xml.trim_start_matches('\u{feff}').trim();
    if let Some(declared) = rest.strip_prefix("<?xml") {
        rest = declared.split_once("?>")?.1.trim_start();
    }
    if rest == "<BlockList/>" || rest == "<BlockList />" {
        return Some(Vec::new());
    }
    rest = rest.strip_prefix("<BlockList>")?;
    let mut blocks = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("</BlockList>") {
            return after.trim().is_empty().then_some(blocks);
        }
        let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
        let source = match name {
            "Committed" => Source::Committed,
            "Uncommitted" => Source::Uncommitted,
            "Latest" => Source::Latest,
            _ => return None,
        };
        let (id, after) = after.split_once("</")?;
        rest = after.strip_prefix(name)?.strip_prefix('>')?;
        blocks.push((source, block_id(&unescape(id.trim()))?));
    }
}

// Writers may escape what needs no escape.
fn unescape(text: &str) -> String {
    text.replace("&#43;", "+").replace("&#x2B;", "+").replace("&#47;", "/").replace("&#61;", "=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_both_clients_are_read() {
        let js = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><BlockList><Latest>YQ==</Latest>\
                  <Latest>Yg==</Latest></BlockList>";
        assert_eq!(parse(js).unwrap(), [(Source::Latest, b"a".to_vec()), (Source::Latest, b"b".to_vec())]);
        let other = "<BlockList>\n <Committed>Yg==</Committed>\n <Uncommitted> YQ== </Uncommitted>\n</BlockList>\n";
        assert_eq!(parse(other).unwrap(), [(Source::Committed, b"b".to_vec()), (Source::Uncommitted, b"a".to_vec())]);
        assert_eq!(parse("<BlockList></BlockList>").unwrap(), []);
        assert_eq!(parse("<BlockList/>").unwrap(), []);
    }

    #[test]
    fn what_is_no_list_is_refused() {
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
            assert_eq!(parse(xml), None, "{xml}");
        }
    }

    #[test]
    fn ids_have_1_to_64_bytes_of_base64() {
        assert_eq!(block_id("+ /="), None);
        assert_eq!(block_id("YQ"), None);
        assert_eq!(block_id(""), None);
        assert_eq!(block_id(" /A="), block_id("+/A="), "an unencoded plus");
        assert!(block_id(&STANDARD.encode([7; 64])).is_some());
        assert!(block_id(&STANDARD.encode([7; 65])).is_none());
    }

    proptest! {
        #[test]
        fn a_written_list_reads_back(ids in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..20)) {
            let body = ids.iter().map(|id| format!("<Latest>{}</Latest>", STANDARD.encode(id))).collect::<Vec<_>>().concat();
            let read = parse(&format!("<?xml version=\"1.0\"?>\n<BlockList>{body}</BlockList>")).unwrap();
            prop_assert_eq!(read.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), ids);
        }

        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = parse(&text);
            let _ = parse(&format!("<BlockList>{text}"));
        }
    }
}
