//! Methods of containerd's API that an import calls.

use std::time::Duration;

use crate::channel::Method;
use crate::timeouts::{CALL, CONTENT, SYNC_CALL};

macro_rules! methods {
    ($($name:ident $limit:ident $service:literal $method:literal;)*) => {
        $(pub(super) const $name: Method = method(
            concat!($service, ".", $method),
            concat!("/containerd.services.", $service, ".v1.", $method),
            $limit,
        );)*
    };
}

const fn method(name: &'static str, path: &'static str, limit: Duration) -> Method {
    Method { name, path, limit }
}

methods! {
    VERSION CALL "version" "Version/Version";
    SERVER CALL "introspection" "Introspection/Server";
    PLUGINS CALL "introspection" "Introspection/Plugins";
    CREATE_LEASE CALL "leases" "Leases/Create";
    DELETE_LEASE SYNC_CALL "leases" "Leases/Delete";
    LIST_LEASES CALL "leases" "Leases/List";
    ADD_RESOURCE CALL "leases" "Leases/AddResource";
    LIST_RESOURCES CALL "leases" "Leases/ListResources";
    CONTENT_INFO CALL "content" "Content/Info";
    UPDATE_CONTENT CALL "content" "Content/Update";
    WRITE_CONTENT CONTENT "content" "Content/Write";
    ABORT_CONTENT CALL "content" "Content/Abort";
    STAT_SNAPSHOT CALL "snapshots" "Snapshots/Stat";
    PREPARE_SNAPSHOT CALL "snapshots" "Snapshots/Prepare";
    VIEW_SNAPSHOT CALL "snapshots" "Snapshots/View";
    COMMIT_SNAPSHOT SYNC_CALL "snapshots" "Snapshots/Commit";
    REMOVE_SNAPSHOT CALL "snapshots" "Snapshots/Remove";
    SNAPSHOT_USAGE CALL "snapshots" "Snapshots/Usage";
    GET_IMAGE CALL "images" "Images/Get";
    CREATE_IMAGE CALL "images" "Images/Create";
    UPDATE_IMAGE CALL "images" "Images/Update";
    DELETE_IMAGE CALL "images" "Images/Delete";
}
