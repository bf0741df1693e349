//! Configuration of the daemons that Handoff starts.

use handoff_model::ImageStore;

/// Options of a dockerd without networks: its containers use no network, or that of the host.
pub(crate) const NO_NETWORK: [&str; 4] =
    ["--bridge=none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false"];

/// Text of the `daemon.json` that selects the image store. Docker 29 puts containers into time namespaces, which the programs'
/// runc may not know.
pub(crate) fn daemon_json(store: ImageStore, time_namespaces: bool) -> String {
    let mut settings = serde_json::json!({ "features": { "containerd-snapshotter": store == ImageStore::Containerd } });
    if !time_namespaces {
        settings["features"]["time-namespaces"] = false.into();
    }
    if store == ImageStore::Overlay2 {
        settings["storage-driver"] = "overlay2".into();
    }
    settings.to_string()
}
