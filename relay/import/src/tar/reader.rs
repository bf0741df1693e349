//! Entries of the stream: headers, their extensions and their data, in order.

use std::io::{self, BufRead};

use super::entry::{Entry, EntryKind};
use super::header::{BLOCK_BYTES, Block, Header};
use super::path::EntryPath;
use super::pax::Records;
use crate::error::{Error, Refusal};

/// Bytes of an extended header or a long name, as in Go's reader.
const MAX_EXTENSION: u64 = 1 << 20;
/// Largest numbers of a device, as the kernel packs them into 32 bits.
const MAX_MAJOR: u32 = 0xfff;
const MAX_MINOR: u32 = 0xf_ffff;

/// Reader of a tar stream.
pub(crate) struct TarReader<R> {
    stream: R,
    /// Bytes of the current file, then of its padding, that are still in the stream.
    data: u64,
    padding: u64,
}

/// Headers that apply to the next entry.
#[derive(Default)]
struct Extensions {
    pax: Option<Records>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<R: BufRead> TarReader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, data: 0, padding: 0 }
    }

    /// Next entry, after the rest of the current one. `None` is the end of the archive, behind which only zeros follow.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, Error> {
        self.skip(self.data + self.padding)?;
        (self.data, self.padding) = (0, 0);
        let mut extensions = Extensions::default();
        loop {
            let Some(block) = self.block()? else {
                return if extensions.is_empty() { Ok(None) } else { Err(Error::refused(b"", Refusal::Truncated)) };
            };
            let header = Header::parse(&block).map_err(|r| Error::refused(&block[..100], r))?;
            let name = header.name.clone();
            if !self.extension(&header, &mut extensions)? {
                return self.entry(header, extensions).map(Some).map_err(|r| Error::refused(&name, r));
            }
        }
    }

    /// Bytes of the current file that are at hand. Empty at its end.
    pub(crate) fn data(&mut self) -> Result<&[u8], Error> {
        if self.data == 0 {
            return Ok(&[]);
        }
        let at_hand = self.stream.fill_buf().map_err(read_error)?;
        if at_hand.is_empty() {
            return Err(Error::refused(b"", Refusal::Truncated));
        }
        let len = usize::try_from(self.data).unwrap_or(usize::MAX).min(at_hand.len());
        Ok(&at_hand[..len])
    }

    /// Takes bytes that [`Self::data`] returned.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.stream.consume(bytes);
        self.data -= bytes as u64;
    }

    /// Reads a header that extends the next one. Returns whether it was one.
    fn extension(&mut self, header: &Header, extensions: &mut Extensions) -> Result<bool, Error> {
        let kind = header.kind;
        if !matches!(kind, b'x' | b'g' | b'L' | b'K') {
            return Ok(false);
        }
        let refused = |refusal| Error::refused(&header.name, refusal);
        let data = self.extension_data(header)?;
        let twice = match kind {
            b'x' => extensions.pax.replace(Records::parse(&data).map_err(refused)?).is_some(),
            b'L' => extensions.long_name.replace(long_name(data)).is_some(),
            b'K' => extensions.long_link.replace(long_name(data)).is_some(),
            // containerd ignores global headers, but makes the folders of their name and removes what has it.
            _ if header.name != b"pax_global_header" || !extensions.is_empty() => {
                return Err(refused(Refusal::Type('g')));
            }
            _ => {
                Records::parse(&data).map_err(refused)?;
                false
            }
        };
        // Readers differ in which of two is right.
        if twice { Err(refused(Refusal::Extended("second header"))) } else { Ok(true) }
    }

    fn extension_data(&mut self, header: &Header) -> Result<Vec<u8>, Error> {
        if header.size > MAX_EXTENSION {
            return Err(Error::refused(&header.name, Refusal::Extended("size")));
        }
        let mut data = vec![0; header.size as usize];
        self.read_exact(&mut data)?;
        self.skip(padding(header.size))?;
        Ok(data)
    }

    /// Joins a header and its extensions.
    fn entry(&mut self, header: Header, extensions: Extensions) -> Result<Entry, Refusal> {
        let both = |a: bool, b: bool| if a && b { Err(Refusal::Extended("second name")) } else { Ok(()) };
        let pax = extensions.pax.unwrap_or_default();
        both(pax.path.is_some(), extensions.long_name.is_some())?;
        both(pax.link.is_some(), extensions.long_link.is_some())?;
        let name = pax.path.or(extensions.long_name).unwrap_or(header.name);
        let link = pax.link.or(extensions.long_link).unwrap_or(header.link);
        let size = pax.size.unwrap_or(header.size);
        let path = EntryPath::parse(&name)?;
        let device = || match (u32::try_from(header.major), u32::try_from(header.minor)) {
            (Ok(major), Ok(minor)) if major <= MAX_MAJOR && minor <= MAX_MINOR => Ok((major, minor)),
            _ => Err(Refusal::Device),
        };
        let kind = match header.kind {
            // Before ustar, a folder was a file whose name ends with a slash.
            0 if name.ends_with(b"/") => EntryKind::Folder,
            b'0' if name.ends_with(b"/") => return Err(Refusal::Name("that of a folder")),
            0 | b'0' => EntryKind::File(size),
            b'1' => EntryKind::HardLink(EntryPath::parse(&link)?.ok_or(Refusal::LinkTarget)?),
            b'2' if link.is_empty() || link.len() > 4095 || link.contains(&0) => return Err(Refusal::Header("link")),
            b'2' => EntryKind::Symlink(link),
            b'3' => device().map(|(major, minor)| EntryKind::Character(major, minor))?,
            b'4' => device().map(|(major, minor)| EntryKind::Block(major, minor))?,
            b'5' => EntryKind::Folder,
            b'6' => EntryKind::Fifo,
            b'S' => return Err(Refusal::Sparse),
            other => return Err(Refusal::Type(char::from(other))),
        };
        match kind {
            EntryKind::File(size) => (self.data, self.padding) = (size, padding(size)),
            // Some readers skip such data, others do not.
            _ if size != 0 => return Err(Refusal::Header("size")),
            _ => {}
        }
        // The highest number means "unchanged" to chown.
        let id = |id: i64| u32::try_from(id).ok().filter(|&id| id != u32::MAX).ok_or(Refusal::Owner);
        Ok(Entry {
            path,
            kind,
            mode: (header.mode & 0o7777) as u32,
            uid: id(pax.uid.unwrap_or(header.uid))?,
            gid: id(pax.gid.unwrap_or(header.gid))?,
            modified: pax.modified.unwrap_or(header.modified),
            accessed: pax.accessed.or(header.accessed),
            attributes: pax.attributes,
        })
    }

    /// Next block that is not the end of the archive.
    fn block(&mut self) -> Result<Option<Block>, Error> {
        let mut block = [0; BLOCK_BYTES];
        // Like Go, accept an archive without the two blocks of zeros that should end it.
        if self.stream.fill_buf().map_err(read_error)?.is_empty() {
            return Ok(None);
        }
        self.read_exact(&mut block)?;
        if block.iter().any(|&b| b != 0) {
            return Ok(Some(block));
        }
        loop {
            let rest = self.stream.fill_buf().map_err(read_error)?;
            if rest.is_empty() {
                return Ok(None);
            }
            // containerd ignores what follows. Programs that ignore zeros would read another layer than it does.
            if rest.iter().any(|&b| b != 0) {
                return Err(Error::refused(b"", Refusal::TrailingData));
            }
            let len = rest.len();
            self.stream.consume(len);
        }
    }

    fn read_exact(&mut self, data: &mut [u8]) -> Result<(), Error> {
        self.stream.read_exact(data).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => Error::refused(b"", Refusal::Truncated),
            _ => read_error(e),
        })
    }

    fn skip(&mut self, mut bytes: u64) -> Result<(), Error> {
        while bytes > 0 {
            let len = self.stream.fill_buf().map_err(read_error)?.len();
            if len == 0 {
                return Err(Error::refused(b"", Refusal::Truncated));
            }
            let taken = len.min(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.stream.consume(taken);
            bytes -= taken as u64;
        }
        Ok(())
    }
}

impl Extensions {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }
}

/// Name without its final zero.
fn long_name(mut data: Vec<u8>) -> Vec<u8> {
    if let Some(end) = data.iter().position(|&b| b == 0) {
        data.truncate(end);
    }
    data
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK_BYTES as u64
}

fn read_error(source: io::Error) -> Error {
    Error::System { what: "reading", path: "the tar stream".into(), source }
}
