use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

impl Blob {
    pub(crate) fn put_whole(&self, bytes: &[u8], content_type: Option<String>) -> Result<Arc<Committed>, Failure> {
        let region = self.reserve(bytes.len() as u64)?;
        region.write(0, bytes).unwrap();
        region.put(content_type)
    }

    fn put_block(&self, id: &[u8], bytes: &[u8]) -> Result<(), Failure> {
        let region = self.reserve(bytes.len() as u64)?;
        region.write(0, bytes).unwrap();
        region.stage(id.to_vec())
    }

    fn content(&self) -> Vec<u8> {
        use std::os::unix::fs::FileExt as _;
        let (committed, file) = self.open().unwrap();
        let mut content = Vec::new();
        for (offset, length) in committed.layout.pieces(0, u64::MAX) {
            let mut piece = vec![0; length as usize];
            file.read_exact_at(&mut piece, offset).unwrap();
            content.extend(piece);
        }
        content
    }
}

fn blob() -> (TempDir, Blob) {
    let dir = tempfile::tempdir().unwrap();
    let blob = Blob::new(dir.path().join("0"), Owner { run: "r".into(), account: "a".into() }, 1);
    (dir, blob)
}

fn latest(ids: &[&[u8]]) -> Vec<(Source, BlockId)> {
    ids.iter().map(|id| (Source::Latest, id.to_vec())).collect()
}

#[test]
fn committed_blocks_are_read_in_the_order_of_the_list() {
    let (_dir, blob) = blob();
    blob.put_block(b"2", b"world").unwrap();
    blob.put_block(b"1", b"hello ").unwrap();
    blob.put_block(b"3", b"never listed").unwrap();
    assert!(blob.open().is_err(), "staged blocks cannot be read");
    assert_eq!(blob.stored_bytes(), 23);
    blob.commit(&latest(&[b"1", b"2", b"1"]), Some("text/plain".into())).unwrap();
    assert_eq!(blob.content(), b"hello worldhello ");
    assert_eq!(blob.stored_bytes(), 17, "unlisted blocks are forgotten");
    assert_eq!(blob.open().unwrap().0.content_type.as_deref(), Some("text/plain"));
    assert!(blob.commit(&[(Source::Uncommitted, b"3".to_vec())], None).is_err());
}

#[test]
fn block_staged_again_replaces_the_first_and_frees_its_space() {
    let (dir, blob) = blob();
    blob.put_block(b"1", &vec![1; 1 << 20]).unwrap();
    blob.put_block(b"1", &vec![2; 1 << 20]).unwrap();
    blob.commit(&latest(&[b"1"]), None).unwrap();
    assert_eq!(blob.content(), vec![2; 1 << 20]);
    let blocks = fs::metadata(dir.path().join("0")).unwrap().blocks() * 512;
    assert!(blocks < 3 << 19, "{blocks} bytes on the disk for 1 MiB");
}

#[test]
fn committed_block_can_be_listed_again_with_new_ones() {
    let (_dir, blob) = blob();
    blob.put_block(b"1", b"a").unwrap();
    let first = blob.commit(&latest(&[b"1"]), None).unwrap();
    blob.put_block(b"1", b"A").unwrap();
    blob.put_block(b"2", b"b").unwrap();
    let list =
        [(Source::Committed, b"1".to_vec()), (Source::Latest, b"1".to_vec()), (Source::Uncommitted, b"2".to_vec())];
    let second = blob.commit(&list, None).unwrap();
    assert_eq!(blob.content(), b"aAb");
    assert_ne!(first.etag, second.etag);
    assert_eq!(blob.open().unwrap().0.etag, second.etag, "stable between commits");
}

#[test]
fn put_blob_replaces_all_blocks() {
    let (_dir, blob) = blob();
    blob.put_block(b"1", b"block").unwrap();
    blob.put_whole(b"whole", None).unwrap();
    assert_eq!((blob.content(), blob.stored_bytes()), (b"whole".to_vec(), 5));
    assert!(blob.commit(&latest(&[b"1"]), None).is_err());
    blob.put_whole(b"", None).unwrap();
    assert_eq!((blob.content(), blob.seal(1), blob.seal(0)), (Vec::new(), Err(Some(0)), Ok(())));
}

#[test]
fn sealed_or_removed_blob_refuses_writes() {
    let (dir, blob) = blob();
    assert_eq!(blob.seal(0), Err(None), "nothing committed yet");
    let late = blob.reserve(1).unwrap();
    blob.put_whole(b"x", None).unwrap();
    assert_eq!(blob.seal(1), Ok(()));
    assert!(late.stage(b"1".to_vec()).is_err(), "begun before it was sealed");
    assert!(blob.reserve(1).is_err() && blob.commit(&[], None).is_err());
    let (_, mut file) = blob.open().unwrap();
    blob.remove();
    assert!(blob.open().is_err() && blob.reserve(1).is_err());
    assert!(!dir.path().join("0").exists());
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    assert!(content.contains('x'), "a reader that has begun may finish");
}

#[test]
fn block_id_of_another_length_is_refused() {
    let (_dir, blob) = blob();
    blob.put_block(b"1", b"a").unwrap();
    assert!(blob.put_block(b"22", b"b").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Any order of arrival, any restaging, any list: the blob is what a plain map says.
    #[test]
    fn commit_equals_a_map_of_blocks(
        puts in prop::collection::vec((0u8..6, prop::collection::vec(any::<u8>(), 0..50)), 1..20),
        list in prop::collection::vec(0u8..6, 0..12),
    ) {
        let (_dir, blob) = blob();
        let mut model: HashMap<u8, Vec<u8>> = HashMap::new();
        for (id, bytes) in &puts {
            blob.put_block(&[*id], bytes).unwrap();
            model.insert(*id, bytes.clone());
        }
        let ids: Vec<[u8; 1]> = list.iter().map(|id| [*id]).collect();
        let ids: Vec<&[u8]> = ids.iter().map(<[u8; 1]>::as_slice).collect();
        let result = blob.commit(&latest(&ids), None);
        let expected: Option<Vec<u8>> =
            list.iter().map(|id| model.get(id).cloned()).collect::<Option<Vec<_>>>().map(|parts| parts.concat());
        prop_assert_eq!(result.is_ok(), expected.is_some());
        if let Some(expected) = expected {
            prop_assert_eq!(blob.content(), expected);
        }
    }
}
