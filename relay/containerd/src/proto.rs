//! Messages of containerd's API, as far as an import needs them.
//!
//! Names and numbers are those of `api/services/*/v1/*.proto` in containerd. Fields that nothing here reads are left out:
//! protobuf skips unknown fields. The numbers are the same in 1.7 to 2.3.

use std::collections::HashMap;

/// Labels of an object.
pub(crate) type Labels = HashMap<String, String>;

/// `google.protobuf.Empty`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Empty {}

/// `google.protobuf.FieldMask`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FieldMask {
    #[prost(string, repeated, tag = "1")]
    pub paths: Vec<String>,
}

pub(crate) mod leases {
    use super::Labels;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Lease {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(map = "string, string", tag = "3")]
        pub labels: Labels,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct DeleteRequest {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(bool, tag = "2")]
        pub sync: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ListRequest {
        #[prost(string, repeated, tag = "1")]
        pub filters: Vec<String>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ListResponse {
        #[prost(message, repeated, tag = "1")]
        pub leases: Vec<Lease>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Resource {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(string, tag = "2")]
        pub r#type: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct AddResourceRequest {
        #[prost(string, tag = "1")]
        pub id: String,
        #[prost(message, optional, tag = "2")]
        pub resource: Option<Resource>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ListResourcesRequest {
        #[prost(string, tag = "1")]
        pub id: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ListResourcesResponse {
        #[prost(message, repeated, tag = "1")]
        pub resources: Vec<Resource>,
    }
}

pub(crate) mod content {
    use super::{FieldMask, Labels};

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct InfoRequest {
        #[prost(string, tag = "1")]
        pub digest: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Info {
        #[prost(string, tag = "1")]
        pub digest: String,
        #[prost(int64, tag = "2")]
        pub size: i64,
        #[prost(map = "string, string", tag = "5")]
        pub labels: Labels,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct InfoResponse {
        #[prost(message, optional, tag = "1")]
        pub info: Option<Info>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct UpdateRequest {
        #[prost(message, optional, tag = "1")]
        pub info: Option<Info>,
        #[prost(message, optional, tag = "2")]
        pub update_mask: Option<FieldMask>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
    #[repr(i32)]
    pub(crate) enum Action {
        Stat = 0,
        Write = 1,
        Commit = 2,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct WriteRequest {
        #[prost(enumeration = "Action", tag = "1")]
        pub action: i32,
        #[prost(string, tag = "2")]
        pub r#ref: String,
        #[prost(int64, tag = "3")]
        pub total: i64,
        #[prost(string, tag = "4")]
        pub expected: String,
        #[prost(int64, tag = "5")]
        pub offset: i64,
        #[prost(bytes = "bytes", tag = "6")]
        pub data: bytes::Bytes,
        #[prost(map = "string, string", tag = "7")]
        pub labels: Labels,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct WriteResponse {
        #[prost(int64, tag = "4")]
        pub offset: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct AbortRequest {
        #[prost(string, tag = "1")]
        pub r#ref: String,
    }
}

pub(crate) mod snapshots {
    use super::Labels;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Mount {
        #[prost(string, tag = "1")]
        pub r#type: String,
        #[prost(string, tag = "2")]
        pub source: String,
        #[prost(string, repeated, tag = "4")]
        pub options: Vec<String>,
    }

    /// Request of `Prepare` and of `View`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct PrepareRequest {
        #[prost(string, tag = "1")]
        pub snapshotter: String,
        #[prost(string, tag = "2")]
        pub key: String,
        #[prost(string, tag = "3")]
        pub parent: String,
    }

    /// Answer of `Prepare` and of `View`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct MountsResponse {
        #[prost(message, repeated, tag = "1")]
        pub mounts: Vec<Mount>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct CommitRequest {
        #[prost(string, tag = "1")]
        pub snapshotter: String,
        #[prost(string, tag = "2")]
        pub name: String,
        #[prost(string, tag = "3")]
        pub key: String,
        #[prost(map = "string, string", tag = "4")]
        pub labels: Labels,
    }

    /// Request of `Stat`, `Remove` and `Usage`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct KeyRequest {
        #[prost(string, tag = "1")]
        pub snapshotter: String,
        #[prost(string, tag = "2")]
        pub key: String,
    }

    /// Kind of a committed snapshot in [`Info::kind`].
    pub(crate) const COMMITTED: i32 = 3;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Info {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub parent: String,
        #[prost(int32, tag = "3")]
        pub kind: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct StatResponse {
        #[prost(message, optional, tag = "1")]
        pub info: Option<Info>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct UsageResponse {
        #[prost(int64, tag = "1")]
        pub size: i64,
        #[prost(int64, tag = "2")]
        pub inodes: i64,
    }
}

pub(crate) mod images {
    use super::Labels;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Descriptor {
        #[prost(string, tag = "1")]
        pub media_type: String,
        #[prost(string, tag = "2")]
        pub digest: String,
        #[prost(int64, tag = "3")]
        pub size: i64,
        #[prost(map = "string, string", tag = "5")]
        pub annotations: Labels,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Image {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(map = "string, string", tag = "2")]
        pub labels: Labels,
        #[prost(message, optional, tag = "3")]
        pub target: Option<Descriptor>,
    }

    /// Request of `Get` and of `Delete`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct NameRequest {
        #[prost(string, tag = "1")]
        pub name: String,
    }

    /// Request of `Create` and of `Update`, and their answers and that of `Get`. An update without a mask replaces target
    /// and labels.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ImageMessage {
        #[prost(message, optional, tag = "1")]
        pub image: Option<Image>,
    }
}

pub(crate) mod introspection {
    use super::Labels;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct PluginsRequest {
        #[prost(string, repeated, tag = "1")]
        pub filters: Vec<String>,
    }

    /// `google.rpc.Status`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct InitError {
        #[prost(string, tag = "2")]
        pub message: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Plugin {
        #[prost(string, tag = "2")]
        pub id: String,
        #[prost(map = "string, string", tag = "5")]
        pub exports: Labels,
        #[prost(string, repeated, tag = "6")]
        pub capabilities: Vec<String>,
        #[prost(message, optional, tag = "7")]
        pub init_err: Option<InitError>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct PluginsResponse {
        #[prost(message, repeated, tag = "1")]
        pub plugins: Vec<Plugin>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ServerResponse {
        #[prost(uint64, tag = "2")]
        pub pid: u64,
        #[prost(uint64, tag = "3")]
        pub pidns: u64,
    }

    /// Answer of the version service.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct VersionResponse {
        #[prost(string, tag = "1")]
        pub version: String,
    }
}
