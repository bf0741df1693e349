//! Layers that try to write elsewhere, and bytes that are no layer.

use handoff_import::{Error, Refusal, Rules, Staging, UntarOptions, fuzz_untar, untar};
use proptest::prelude::*;

use crate::common::archive::{Item, ItemKind, archive, entry, header, padded, record, sign};
use crate::common::stacks::{self, Choices, Privileges};

fn refusal(bytes: &[u8]) -> Refusal {
    let scratch = tempfile::tempdir().unwrap();
    match fuzz_untar(scratch.path(), bytes) {
        Err(Error::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

fn symlink(name: &str, target: &str) -> Item {
    Item::new(name, ItemKind::Symlink(target.to_owned()))
}

fn hard_link(name: &str, target: &str) -> Item {
    Item::new(name, ItemKind::HardLink(target.to_owned()))
}

#[test]
fn paths_that_lead_out_are_refused() {
    let outside = "../../outside/file";
    let cases = [
        (vec![Item::file(outside, "x")], Refusal::Upwards),
        (vec![hard_link("a", outside)], Refusal::Upwards),
        (vec![Item::file("a/../../../outside/file", "x")], Refusal::Upwards),
        (vec![symlink("a", "../../outside"), Item::file("a/file", "x")], Refusal::ThroughSymlink),
        (vec![symlink("a", "/"), Item::folder("a/etc")], Refusal::ThroughSymlink),
        (vec![symlink("a", "."), Item::file("a/.wh.b", "")], Refusal::ThroughSymlink),
        (vec![symlink("a", "../../outside"), hard_link("b", "a/file")], Refusal::ThroughSymlink),
        (vec![Item::file("a", ""), Item::file("a/b", "")], Refusal::ThroughFile),
        (vec![hard_link("a", "missing")], Refusal::LinkTarget),
        (vec![hard_link("a", "missing/b")], Refusal::LinkTarget),
        (vec![Item::folder("a"), hard_link("b", "a")], Refusal::LinkTarget),
        (vec![Item::folder("a"), symlink("a", "../../outside")], Refusal::Replaced),
        (vec![Item::folder("a/b"), Item::file("a", "")], Refusal::Replaced),
    ];
    for (items, expected) in cases {
        assert_eq!(refusal(&archive(&items)), expected, "{items:?}");
    }
}

#[test]
fn symbolic_link_is_replaced_and_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let items = [symlink("a", "../../outside/file"), Item::file("a", "x"), symlink("b", "/etc"), Item::folder("b")];
    fuzz_untar(scratch.path(), &archive(&items)).unwrap();
}

#[test]
fn attributes_of_overlayfs_and_access_lists_are_refused() {
    for name in ["trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.whiteout"] {
        for item in [Item::file("a", ""), Item::folder("a"), symlink("a", "b")] {
            let item = item.attribute(name, b"y");
            assert_eq!(refusal(&archive(&[item])), Refusal::OverlayAttribute(name.to_owned()));
        }
    }
    let list = "system.posix_acl_default";
    assert_eq!(refusal(&archive(&[Item::folder("a").attribute(list, b"")])), Refusal::Attribute(list.to_owned()));
}

#[test]
fn other_trusted_attributes_are_left_out_as_the_engine_does() {
    let scratch = tempfile::tempdir().unwrap();
    fuzz_untar(scratch.path(), &archive(&[Item::file("a", "").attribute("trusted.other", b"1")])).unwrap();
}

#[test]
fn dialects_that_readers_understand_differently_are_refused() {
    let with_header = |change: &dyn Fn(&mut [u8])| {
        let mut data = archive(&[Item::file("a", "x")]);
        change(&mut data);
        sign(&mut data);
        refusal(&data)
    };
    assert_eq!(with_header(&|d| d[156] = b'S'), Refusal::Sparse);
    assert_eq!(with_header(&|d| d[156] = b'7'), Refusal::Type('7'));
    assert_eq!(with_header(&|d| d[156] = b'2'), Refusal::Header("link"));
    assert_eq!(with_header(&|d| d[156] = b'5'), Refusal::Header("size"));
    assert_eq!(with_header(&|d| d[508..512].copy_from_slice(b"tar\0")), Refusal::Header("format"));
    assert_eq!(with_header(&|d| d[108..116].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xff")), Refusal::Owner);
    assert_eq!(with_header(&|d| d[124..136].copy_from_slice(&[0xff; 12])), Refusal::Header("size"));
    assert_eq!(with_header(&|d| d[1] = b'/'), Refusal::Name("that of a folder"));

    let extension =
        |kind: u8, data: &[u8]| [&header(&Item::file("x", ""), kind, "", data.len())[..], &padded(data)].concat();
    let file = archive(&[Item::file("a", "")]);
    let path = record("path", b"b");
    let twice = [extension(b'x', &path), extension(b'x', &path), file.clone()].concat();
    assert_eq!(refusal(&twice), Refusal::Extended("second header"));
    let both = [extension(b'x', &path), extension(b'L', b"c\0"), file.clone()].concat();
    assert_eq!(refusal(&both), Refusal::Extended("second name"));
    let sparse = [extension(b'x', &record("GNU.sparse.major", b"1")), file.clone()].concat();
    assert_eq!(refusal(&sparse), Refusal::Sparse);
    assert_eq!(refusal(&[extension(b'g', &path), file.clone()].concat()), Refusal::Type('g'));
    assert_eq!(refusal(&extension(b'x', &path)), Refusal::Truncated);
    assert_eq!(refusal(&[file.clone(), vec![1; 512]].concat()), Refusal::TrailingData);
}

#[test]
fn long_names_of_gnu_and_pax_are_read() {
    let scratch = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    let gnu = [
        &header(&Item::file("././@LongLink", ""), b'L', "", long.len() + 1)[..],
        &padded(&[long.as_bytes(), b"\0"].concat()),
        &archive(&[Item::file("short", "x"), hard_link("other", "short")]),
    ]
    .concat();
    let staging = Staging::create(scratch.path(), "gnu").unwrap();
    let options =
        UntarOptions { is_lowest: true, max_bytes: 1 << 20, start_bytes: 1, reserve_bytes: 0, rules: Rules::default() };
    let error = untar(&gnu[..], &staging, options).unwrap_err();
    assert!(matches!(error, Error::Refused { refusal: Refusal::LinkTarget, .. }), "{error}");
    assert_eq!(std::fs::read(staging.path().join(&long)).unwrap(), b"x");
    let staging = Staging::create(scratch.path(), "pax").unwrap();
    untar(&archive(&[Item::file(&long, "y")])[..], &staging, options).unwrap();
    assert_eq!(std::fs::read(staging.path().join(&long)).unwrap(), b"y");
}

#[test]
fn layers_above_their_stated_size_or_the_reserve_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let staging = Staging::create(scratch.path(), "a").unwrap();
    let items = [Item::file("a", "12345"), Item::file("b", "12345")];
    let options =
        UntarOptions { is_lowest: true, max_bytes: 9, start_bytes: 1, reserve_bytes: 0, rules: Rules::default() };
    let error = untar(&archive(&items)[..], &staging, options).unwrap_err();
    assert!(matches!(error, Error::Size { stated: 9, got: 10, .. }), "{error}");
    let options = UntarOptions { reserve_bytes: u64::MAX, ..options };
    let error = untar(&archive(&items)[..], &staging, options).unwrap_err();
    assert!(matches!(error, Error::NoSpace { free: 0, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_change_nothing_outside(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let scratch = tempfile::tempdir().unwrap();
        let _ = fuzz_untar(scratch.path(), &bytes);
    }

    #[test]
    fn changed_layers_change_nothing_outside(seed: u64) {
        let scratch = tempfile::tempdir().unwrap();
        let mut choices = Choices::new(seed);
        let items: Vec<Item> = stacks::stack(seed, Privileges::User).concat();
        let mut data: Vec<u8> = items.iter().flat_map(entry).collect();
        for _ in 0..choices.below(6) {
            if data.is_empty() { break; }
            let at = choices.below(data.len());
            data[at] = choices.below(256) as u8;
            // With a valid checksum, so that the change is looked at.
            let block = at / 512 * 512;
            sign(&mut data[block..block + 512]);
        }
        let _ = fuzz_untar(scratch.path(), &data);
    }
}
