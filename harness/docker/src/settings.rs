//! The configuration of a dockerd that is ours.

use handoff_model::ImageStore;

/// Options of a dockerd that needs no network of its own: containers in it have none, or the host's.
pub(crate) const NO_NETWORK: [&str; 4] =
    ["--bridge=none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false"];

/// The text of `daemon.json` that chooses the image store.
pub(crate) fn daemon_json(store: ImageStore) -> String {
    let mut settings = serde_json::json!({ "features": { "containerd-snapshotter": store == ImageStore::Containerd } });
    if store == ImageStore::Overlay2 {
        settings["storage-driver"] = "overlay2".into();
    }
    settings.to_string()
}
