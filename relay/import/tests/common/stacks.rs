//! Generated stacks of layers: few names, so that entries meet each other.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::archive::{Item, ItemKind};
use super::model::{self, Tree};

/// What the caller of a test may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// Own files alone.
    User,
    /// Owners, devices, capabilities.
    Root,
}

/// `security.capability` of version 2 with `cap_net_raw`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Source of random choices.
pub struct Choices(ChaCha8Rng);

impl Choices {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// Layers from the lowest up.
pub fn stack(seed: u64, privileges: Privileges) -> Vec<Vec<Item>> {
    let mut choices = Choices::new(seed);
    let count = 1 + choices.below(5);
    let mut layers: Vec<Vec<Item>> = Vec::new();
    for _ in 0..count {
        let repeated = choices.one_in(8).then(|| layers.last().cloned()).flatten();
        layers.push(repeated.unwrap_or_else(|| layer(&mut choices, layers.is_empty(), privileges)));
    }
    layers
}

/// Stack whose every layer the model accepts: entries that it refuses are left out.
pub fn accepted_stack(seed: u64, privileges: Privileges) -> (Vec<Vec<Item>>, Vec<Tree>) {
    let mut layers = Vec::new();
    let mut trees: Vec<Tree> = Vec::new();
    for items in stack(seed, privileges) {
        let mut kept: Vec<Item> = Vec::new();
        for item in items {
            kept.push(item);
            if model::unpack(&kept, &trees).is_err() {
                kept.pop();
            }
        }
        trees.insert(0, model::unpack(&kept, &trees).unwrap());
        layers.push(kept);
    }
    (layers, trees)
}

fn layer(choices: &mut Choices, is_lowest: bool, privileges: Privileges) -> Vec<Item> {
    (0..choices.below(14)).map(|_| item(choices, is_lowest, privileges)).collect()
}

fn item(choices: &mut Choices, is_lowest: bool, privileges: Privileges) -> Item {
    let path = path(choices);
    let content = choices.of(&["", "x", "some text"]);
    let file = ItemKind::File(content.into());
    let whiteouts = if is_lowest { 1 } else { 3 };
    let is_root = privileges == Privileges::Root;
    let mut item = match choices.below(14 + whiteouts) {
        0..=4 => Item::new(&path, file),
        5..=8 => Item::new(&path, ItemKind::Folder),
        9 => Item::new(&path, ItemKind::Symlink(choices.of(&["a", "../b", "/c", "missing"]).to_owned())),
        10 | 11 => Item::new(&path, ItemKind::HardLink(self::path(choices))),
        12 if is_root => Item::new(&path, choices.of(&[ItemKind::Character(1, 3), ItemKind::Block(7, 200)])),
        12 => Item::new(&path, ItemKind::Fifo),
        13 => Item::new(choices.of(&["./", ".", "/"]), ItemKind::Folder),
        _ => {
            let (parent, name) = path.rsplit_once('/').map_or(("", &path[..]), |(p, n)| (p, n));
            let is_opaque = choices.one_in(3) && is_root;
            let name = if is_opaque { ".wh..wh..opq".to_owned() } else { format!(".wh.{name}") };
            Item::new(&format!("{parent}/{name}"), ItemKind::File(Vec::new()))
        }
    };
    if choices.one_in(6) {
        item.name = format!("{}{}", choices.of(&["./", "/", ".//"]), item.name);
    }
    let modes: &[u32] = if item.kind == ItemKind::Folder {
        &[0o755, 0o700, 0o1777, 0o2775, 0o2750]
    } else {
        // The last one can be read by root alone.
        &[0o644, 0o600, 0o4755, 0o2755, 0o000][..if is_root { 5 } else { 4 }]
    };
    item.mode = choices.of(modes);
    item.modified = choices.of(&[
        (1_700_000_000, 0),
        (1_600_000_000, 123_456_789),
        (-5, 0),
        (-1, 500_000_000),
        (4_100_000_000, 1),
        (0, 7),
    ]);
    if is_root {
        item.uid = choices.of(&[0, 0, 7, 1000]);
        item.gid = choices.of(&[0, 0, 8, 70_000]);
    }
    let is_plain = matches!(item.kind, ItemKind::File(_) | ItemKind::HardLink(_));
    if is_root && is_plain && choices.one_in(3) {
        item = item.attribute("security.capability", &CAPABILITY);
    }
    if choices.one_in(4) {
        item = item.attribute(choices.of(&["user.one", "user.two"]), choices.of(&["", "value"]).as_bytes());
    }
    item
}

fn path(choices: &mut Choices) -> String {
    let depth = 1 + choices.below(3);
    let names: Vec<&str> = (0..depth).map(|_| choices.of(&["a", "b", "c"])).collect();
    names.join("/")
}
