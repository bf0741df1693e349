//! Inputs of the fuzzer: stored transfers with changed tables.

use handoff_registry::Digest;
use serde_json::{Value, json};

/// Numbers at the ends of their ranges.
const NUMBERS: [u64; 12] = [
    0,
    1,
    41,
    255,
    (4 << 20) - 1,
    4 << 20,
    (4 << 20) + 1,
    u32::MAX as u64,
    1 << 40,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
];

/// Choices by a seed.
struct Choices(u64);

impl Choices {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn number(&mut self) -> u64 {
        if self.one_in(3) { self.next() } else { NUMBERS[self.below(NUMBERS.len())] }
    }
}

/// Stored transfer of a seed: blobs, table and trailer, most of them with changes.
pub fn input(seed: u64) -> Vec<u8> {
    let mut choices = Choices(seed);
    let mut blobs: Vec<u8> = (0..choices.below(2000)).map(|_| choices.next() as u8).collect();
    let mut table = table(&mut blobs, &mut choices);
    for _ in 0..choices.below(4) {
        change(&mut table, &mut choices);
    }
    let mut text = table.to_string().into_bytes();
    if choices.one_in(8) && !text.is_empty() {
        let at = choices.below(text.len());
        text[at] = choices.next() as u8;
    }
    let len = if choices.one_in(8) { choices.number() } else { text.len() as u64 };
    let mut stored = [blobs, text, len.to_le_bytes().to_vec(), b"handoff1".to_vec()].concat();
    if choices.one_in(16) {
        stored.truncate(choices.below(stored.len()));
    }
    stored
}

/// Valid table, whose blobs fill the bytes before it.
fn table(bytes: &mut Vec<u8>, choices: &mut Choices) -> Value {
    let mut blobs = serde_json::Map::new();
    for number in 0..choices.below(6) {
        let digest = Digest::of(&[number as u8]).to_string();
        let location = match choices.below(3) {
            0 => json!({ "offset": 0, "size": bytes.len() }),
            1 => json!({ "entry": "handoff-relay-blob-x", "offset": 0, "size": choices.below(1 << 24) }),
            _ => {
                let plain = vec![7; choices.below(2 << 20) + 1];
                let frame = zstd::bulk::compress(&plain, 1).unwrap();
                let offset = bytes.len();
                bytes.extend_from_slice(&frame);
                json!({ "offset": offset, "size": plain.len(), "frames": [frame.len()] })
            }
        };
        blobs.insert(digest, location);
    }
    let text = format!("{{\"schemaVersion\":{}}}", choices.below(9));
    let digest = Digest::of(text.as_bytes()).to_string();
    let manifest = json!({ "media_type": "application/vnd.oci.image.manifest.v1+json", "text": text });
    let mut table = json!({ "reference": "a", "tags": {}, "manifests": {}, "blobs": blobs });
    table["tags"]["1"] = json!(digest);
    table["manifests"][&digest] = manifest;
    if choices.one_in(2) {
        table["images"] = json!([{ "reference": "a", "digest": digest }]);
    }
    table
}

/// Changes a number, a list of frames, a digest, or a field.
fn change(table: &mut Value, choices: &mut Choices) {
    let blobs = table["blobs"].as_object_mut().unwrap();
    let count = blobs.len();
    let location = (count > 0).then(|| blobs.values_mut().nth(choices.below(count)).unwrap());
    match (choices.below(8), location) {
        (0 | 1, Some(location)) => location["offset"] = json!(choices.number()),
        (2 | 3, Some(location)) => location["size"] = json!(choices.number()),
        (4, Some(location)) => {
            let frames: Vec<u64> = (0..choices.below(5)).map(|_| choices.number() % (1 << 32)).collect();
            location["frames"] = json!(frames);
        }
        (5, Some(location)) => location["entry"] = json!("k".repeat(choices.below(600))),
        (6, _) => table["tags"]["2"] = json!(Digest::of(b"none").to_string()),
        (7, _) => table["images"] = json!([{ "reference": "b", "digest": Digest::of(b"none").to_string() }]),
        _ => table["reference"] = json!(choices.number()),
    }
}
