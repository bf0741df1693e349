//! Archives from items, with pax headers where an item needs them.

/// Kind of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    File(Vec<u8>),
    Folder,
    Symlink(String),
    HardLink(String),
    Character(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// Entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub name: String,
    pub kind: ItemKind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub modified: (i64, u32),
    pub attributes: Vec<(String, Vec<u8>)>,
}

impl Item {
    pub fn new(name: &str, kind: ItemKind) -> Self {
        let mode = if kind == ItemKind::Folder { 0o755 } else { 0o644 };
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        Self { name: name.to_owned(), kind, mode, uid, gid, modified: (1_700_000_000, 0), attributes: Vec::new() }
    }

    pub fn file(name: &str, content: &str) -> Self {
        Self::new(name, ItemKind::File(content.into()))
    }

    pub fn folder(name: &str) -> Self {
        Self::new(name, ItemKind::Folder)
    }

    pub fn attribute(mut self, name: &str, value: &[u8]) -> Self {
        self.attributes.push((name.to_owned(), value.to_vec()));
        self
    }
}

/// Archive of the items with its end.
pub fn archive(items: &[Item]) -> Vec<u8> {
    let mut data: Vec<u8> = items.iter().flat_map(entry).collect();
    data.extend([0; 1024]);
    data
}

/// Blocks of one item.
pub fn entry(item: &Item) -> Vec<u8> {
    let mut records = Vec::new();
    if item.name.len() > 100 {
        records.extend(record("path", item.name.as_bytes()));
    }
    let (seconds, nanos) = item.modified;
    if seconds < 0 || nanos > 0 {
        let text = match (seconds, nanos) {
            (0.., _) => format!("{seconds}.{nanos:09}"),
            (_, 0) => format!("{seconds}"),
            _ => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos),
        };
        records.extend(record("mtime", text.as_bytes()));
    }
    for (name, value) in &item.attributes {
        records.extend(record(&format!("SCHILY.xattr.{name}"), value));
    }
    let (kind, link, content): (u8, &str, &[u8]) = match &item.kind {
        ItemKind::File(content) => (b'0', "", content),
        ItemKind::HardLink(target) => (b'1', target, b""),
        ItemKind::Symlink(target) => (b'2', target, b""),
        ItemKind::Character(..) => (b'3', "", b""),
        ItemKind::Block(..) => (b'4', "", b""),
        ItemKind::Folder => (b'5', "", b""),
        ItemKind::Fifo => (b'6', "", b""),
    };
    let mut data = Vec::new();
    if !records.is_empty() {
        data.extend(header(&Item::file("PaxHeaders/x", ""), b'x', "", records.len()));
        data.extend(padded(&records));
    }
    data.extend(header(item, kind, link, content.len()));
    data.extend(padded(content));
    data
}

/// Record of an extended header.
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let body = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let length = (body.len()..=body.len() + 9).find(|n| n.to_string().len() + body.len() == *n).unwrap();
    [length.to_string().as_bytes(), &body].concat()
}

/// Header block in the format ustar.
pub fn header(item: &Item, kind: u8, link: &str, size: usize) -> [u8; 512] {
    let mut block = [0; 512];
    let name = &item.name.as_bytes()[..item.name.len().min(100)];
    block[..name.len()].copy_from_slice(name);
    let mut octal = |from: usize, digits: usize, value: u64| {
        block[from..from + digits].copy_from_slice(format!("{value:0digits$o}").as_bytes());
    };
    octal(100, 7, item.mode.into());
    octal(108, 7, item.uid.into());
    octal(116, 7, item.gid.into());
    octal(124, 11, size as u64);
    octal(136, 11, item.modified.0.max(0).cast_unsigned());
    if let ItemKind::Character(major, minor) | ItemKind::Block(major, minor) = item.kind {
        octal(329, 7, major.into());
        octal(337, 7, minor.into());
    }
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..265].copy_from_slice(b"ustar\x0000");
    sign(&mut block);
    block
}

/// Writes the checksum of a header block.
pub fn sign(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

pub fn padded(data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.resize(data.len().next_multiple_of(512), 0);
    padded
}
