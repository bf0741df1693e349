//! Odd configuration files.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::super::config::{turns_on, with_containerd_store};
use super::super::error::SwitchError;
use super::super::files;
use super::fake::Rig;

fn written(old: &str) -> Result<Value, String> {
    let text = with_containerd_store(Path::new("/d.json"), Some(old)).map_err(|e| e.to_string())?;
    assert!(turns_on(&text));
    Ok(serde_json::from_str(&text).unwrap())
}

#[test]
fn other_settings_stay_in_their_order() {
    let on = json!({"containerd-snapshotter": true});
    for empty in ["", " \r\n", "{}", "\u{feff}{}", "\u{feff}"] {
        assert_eq!(written(empty), Ok(json!({"features": on})), "{empty:?}");
    }
    let old = r#"{"z":1,"unknown":[1.5,null],"features":{"b":true,"containerd-snapshotter":false},"a":"\u00e9"}"#;
    let new = with_containerd_store(Path::new("/d.json"), Some(old)).unwrap();
    let expected = old.replace("\\u00e9", "é").replace("snapshotter\":false", "snapshotter\":true");
    let compact: String = new.chars().filter(|c| !c.is_whitespace()).collect();
    assert_eq!(compact, expected);
    assert_eq!(written("{\r\n\"features\":{\"x\":false}\r\n}").unwrap()["features"]["x"], json!(false));
}

#[test]
fn driver_that_is_left_goes_and_others_are_refused() {
    assert_eq!(written(r#"{"storage-driver":"overlay2"}"#).unwrap().get("storage-driver"), None);
    assert_eq!(written(r#"{"storage-driver":"overlayfs"}"#).unwrap()["storage-driver"], "overlayfs");
    for bad in [r#"{"storage-driver":"btrfs"}"#, r#"{"storage-driver":7}"#, r#"{"storage-driver":""}"#] {
        assert!(written(bad).unwrap_err().contains("which the containerd store does not take"), "{bad}");
    }
    assert!(written(r#"{"storage-opts":["overlay2.size=1G"]}"#).is_err());
    assert!(written(r#"{"storage-opts":[]}"#).is_ok());
}

#[test]
fn texts_that_are_not_surely_understood_are_refused() {
    for (bad, why) in [
        ("[]", "is not an object"),
        ("null", "is not an object"),
        ("\"x\"", "is not an object"),
        ("{} {}", "is not an object"),
        ("{/* comment */}", "is not an object"),
        ("{\"a\":1,}", "is not an object"),
        ("{\"a\":1,\"a\":2}", "twice"),
        (r#"{"features":{},"features":{"x":true}}"#, "twice"),
        (r#"{"features":[]}"#, "features that are no object"),
        (r#"{"features":null}"#, "features that are no object"),
        (r#"{"features":{"containerd-snapshotter":true}}"#, "already"),
    ] {
        let text = written(bad).unwrap_err();
        assert!(text.starts_with("/d.json ") && text.contains(why) && !text.contains('\n'), "{bad}: {text}");
    }
}

#[test]
fn files_that_a_rename_would_break_are_refused() {
    let rig = Rig::new(Some("{}"));
    let refused = |why: &str| match files::read(&rig.config) {
        Err(SwitchError::Refused(refusal)) => assert!(refusal.to_string().contains(why), "{refusal}"),
        other => panic!("{other:?}"),
    };
    let other = rig.config.with_file_name("other.json");
    fs::hard_link(&rig.config, &other).unwrap();
    refused("is not a file of one name");
    fs::remove_file(&rig.config).unwrap();
    std::os::unix::fs::symlink(&other, &rig.config).unwrap();
    refused("is a symbolic link");
    fs::remove_file(&other).unwrap();
    refused("is a symbolic link");
    fs::remove_file(&rig.config).unwrap();
    fs::write(&rig.config, b"{\"a\":\"\xff\"}").unwrap();
    refused("is not UTF-8");
    fs::write(&rig.config, vec![b' '; (1 << 20) + 1]).unwrap();
    refused("larger than 1 MiB");
    fs::remove_file(&rig.config).unwrap();
    fs::create_dir(&rig.config).unwrap();
    refused("is not a file of one name");
}

#[test]
fn staged_file_is_never_written_through_a_link() {
    let rig = Rig::new(Some("{}"));
    let victim = rig.dir.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    std::os::unix::fs::symlink(&victim, files::staged(&rig.config)).unwrap();
    rig.switch().unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept");
    assert!(!rig.config.is_symlink());
}
