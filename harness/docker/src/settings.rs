//! Configuration of the daemons that Handoff starts.

use handoff_model::ImageStore;

/// Options of a dockerd without networks: its containers use no network, or that of the host.
pub(crate) const NO_NETWORK: [&str; 4] =
    ["--bridge=none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false"];

/// Text of the `daemon.json` that selects the image store.
pub(crate) fn daemon_json(store: ImageStore) -> String {
    let mut settings = serde_json::json!({ "features": { "containerd-snapshotter": store == ImageStore::Containerd } });
    if store == ImageStore::Overlay2 {
        settings["storage-driver"] = "overlay2".into();
    }
    settings.to_string()
}
