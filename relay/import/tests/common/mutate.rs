//! Inputs of the fuzzer: layers of the generator with changes, and an unpacker with a planted bug.

use std::fs;
use std::path::Path;

use handoff_import::Staging;

use super::archive::{entry, padded, record, sign};
use super::stacks::{Choices, Privileges, accepted_stack, stack};

const BLOCK: usize = 512;

/// Names and targets worth trying.
const NAMES: &[&[u8]] = &[
    b"../../outside/file",
    b"../../outside",
    b"/",
    b"..",
    b"a/..",
    b"./",
    b"",
    b"a",
    b"a/b",
    b"a/file",
    b"b/c/a",
    b".wh.a",
    b"a/.wh.b",
    b"a/.wh..wh..opq",
    b".wh..wh..opq",
    b".wh..",
    b".wh...",
    b".wh.",
    b".wh..wh.aufs",
    b"/proc/self/root",
    b"a\xff\n",
];

/// Types of entries, supported or not.
const KINDS: &[u8] = b"\x0001234567xgLKSVZ";

/// Keys of extended headers.
const KEYS: &[&str] = &[
    "path",
    "linkpath",
    "size",
    "uid",
    "mtime",
    "atime",
    "SCHILY.xattr.user.one",
    "SCHILY.xattr.trusted.overlay.opaque",
    "SCHILY.xattr.security.capability",
    "SCHILY.xattr.",
    "GNU.sparse.name",
    "hdrcharset",
];

/// Numbers, octal and base 256, at the ends of their ranges.
const NUMBERS: &[&[u8]] = &[
    b"00000000000\0",
    b"77777777777\0",
    b"00000001000\0",
    b"-0000000001\0",
    b"9\0",
    b"            ",
    b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\0\0\0\0\0\0\x01\0\0\0\0",
];

/// Changed layer of a seed.
pub fn input(seed: u64, privileges: Privileges) -> Vec<u8> {
    let mut choices = Choices::new(seed);
    // Layers that are unpacked to their end when nothing changes them, or many entries.
    let items = if choices.one_in(3) { stack(seed, privileges) } else { accepted_stack(seed, privileges).0 };
    let items = if choices.one_in(2) { items.concat() } else { items.into_iter().next().unwrap_or_default() };
    let mut data: Vec<u8> = items.iter().flat_map(entry).collect();
    for _ in 0..choices.below(5) {
        change(&mut data, &mut choices);
    }
    if choices.one_in(3) {
        data.extend([0; 1024]);
    }
    data
}

fn change(data: &mut Vec<u8>, choices: &mut Choices) {
    let blocks = data.len() / BLOCK;
    if blocks == 0 {
        return;
    }
    let start = choices.below(blocks) * BLOCK;
    let mut put = |from: usize, width: usize, value: &[u8]| {
        let field = &mut data[start + from..start + from + width];
        field.fill(0);
        let len = value.len().min(width);
        field[..len].copy_from_slice(&value[..len]);
    };
    match choices.below(12) {
        0 | 1 => put(0, 100, NAMES[choices.below(NAMES.len())]),
        2 => put(157, 100, NAMES[choices.below(NAMES.len())]),
        3 | 4 => put(156, 1, &[KINDS[choices.below(KINDS.len())]]),
        5 => {
            let (from, width) =
                [(100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (329, 8), (337, 8)][choices.below(7)];
            put(from, width, NUMBERS[choices.below(NUMBERS.len())]);
        }
        6 => put(257, 8, [&b"ustar  \0"[..], b"ustar\x0000", b"\0"][choices.below(3)]),
        7 => {
            let at = choices.below(data.len());
            data[at] = choices.below(256) as u8;
        }
        8 => {
            let at = choices.below(blocks) * BLOCK;
            let block = data[at..at + BLOCK].to_vec();
            data.splice(start..start, block);
        }
        9 => drop(data.drain(start..start + BLOCK)),
        10 => {
            let value = NAMES[choices.below(NAMES.len())];
            let record = record(KEYS[choices.below(KEYS.len())], value);
            let mut header = data[start..start + BLOCK].to_vec();
            header[156] = b"xgLK"[choices.below(4)];
            header[124..136].copy_from_slice(format!("{:011o}\0", record.len()).as_bytes());
            sign(&mut header);
            header.extend(padded(&record));
            data.splice(start..start, header);
        }
        _ => data.truncate(choices.below(data.len())),
    }
    // With a valid checksum, so that the change is looked at. One in eight stays as it is.
    if start + BLOCK <= data.len() && !choices.one_in(8) {
        sign(&mut data[start..start + BLOCK]);
    }
}

/// Unpacker that joins names to a path, as many did. It writes nothing outside `scratch`. Returns its successes.
pub fn planted(scratch: &Path, staging: &Staging, bytes: &[u8]) -> u32 {
    let mut made = 0;
    for block in bytes.chunks_exact(BLOCK) {
        let text = |from: usize, to: usize| {
            let field = block[from..to].split(|&b| b == 0).next().unwrap_or_default();
            String::from_utf8_lossy(field).trim_start_matches('/').to_owned()
        };
        let path = staging.path().join(text(0, 100));
        let parent = path.parent().and_then(|p| p.canonicalize().ok());
        if parent.is_none_or(|p| !p.starts_with(scratch)) {
            continue;
        }
        let result = match block[156] {
            b'0' => fs::write(&path, "x"),
            b'2' => std::os::unix::fs::symlink(text(157, 257), &path),
            b'5' => fs::create_dir(&path),
            _ => continue,
        };
        made += u32::from(result.is_ok());
    }
    made
}
