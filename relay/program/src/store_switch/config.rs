//! Text of `daemon.json` with the containerd store turned on.

use std::path::Path;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};

use super::error::Refusal;

/// Feature of dockerd that chooses the containerd store.
const FEATURE: &str = "containerd-snapshotter";
/// Driver that the switch leaves.
pub(crate) const OLD_DRIVER: &str = "overlay2";
/// Driver of the containerd store.
const NEW_DRIVER: &str = "overlayfs";

/// Settings of an object, in order, with its keys as often as they appear.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of settings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// Text of the file with the containerd store turned on. All other settings stay, except the driver that is left.
///
/// dockerd takes a file with a byte order mark, and an empty one
/// ([getConflictFreeConfiguration](https://github.com/moby/moby/blob/v28.5.2/daemon/config/config.go)).
pub(crate) fn with_containerd_store(path: &Path, old: Option<&str>) -> Result<String, Refusal> {
    let refuse = |why: String| Err(Refusal::config(path, why));
    let text = old.unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    let pairs = match text {
        "" => Vec::new(),
        text => match serde_json::from_str(text) {
            Ok(Pairs(pairs)) => pairs,
            Err(e) => return refuse(format!("is not an object that dockerd reads ({e}); correct the file")),
        },
    };
    let mut settings = Map::new();
    for (key, value) in pairs {
        if settings.contains_key(&key) {
            // dockerd merges some of such values and takes the last of others.
            return refuse(format!("has {key:?} twice; remove one of the two"));
        }
        settings.insert(key, value);
    }
    match settings.get("storage-driver") {
        None => {}
        Some(Value::String(driver)) if driver == NEW_DRIVER => {}
        Some(Value::String(driver)) if driver == OLD_DRIVER => {
            settings.shift_remove("storage-driver");
        }
        Some(other) => {
            return refuse(format!(
                "has the storage-driver {other}, which the containerd store does not take; remove that setting"
            ));
        }
    }
    if settings.get("storage-opts").is_some_and(|options| options.as_array().is_none_or(|list| !list.is_empty())) {
        return refuse("has storage-opts, which the containerd store does not take; remove that setting".to_owned());
    }
    let features = settings.entry("features").or_insert_with(|| Map::new().into());
    let Value::Object(features) = features else {
        return refuse("has features that are no object; correct the file".to_owned());
    };
    if features.insert(FEATURE.to_owned(), true.into()) == Some(true.into()) {
        return refuse("turns the containerd store on already, but dockerd runs without it; restart docker".to_owned());
    }
    Ok(format!("{:#}\n", Value::Object(settings)))
}

/// Whether a text turns the containerd store on, or may: a text that is not understood counts.
pub(crate) fn turns_on(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.is_empty() {
        return false;
    }
    serde_json::from_str::<Value>(text).map_or(true, |settings| settings["features"][FEATURE] == true)
}
