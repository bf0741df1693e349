//! Content that exists: held by the lease, with the labels of an import.

use super::{Containerd, ContentWriter, method};
use crate::error::{Code, allow};
use crate::proto::FieldMask;
use crate::proto::content as wire;
use crate::{Blob, Error, Lease};

/// Kind of a lease's resource.
const RESOURCE: &str = "content";
/// Attempts to hold or write a blob that other clients add and remove meanwhile.
const ATTEMPTS: u32 = 3;

impl Containerd {
    pub(super) async fn open_blob(&self, lease: &Lease, blob: Blob) -> Result<Option<ContentWriter>, Error> {
        for _ in 0..ATTEMPTS {
            match ContentWriter::open(self, lease, blob.clone()).await {
                Err(error) if error.is(Code::AlreadyExists) => {
                    if self.adopt(lease, &blob).await? {
                        return Ok(None);
                    }
                    // It was removed before the lease held it: now there is none, and it can be written.
                }
                other => return other,
            }
        }
        Err(Error::Broken { call: method::WRITE_CONTENT.name, why: format!("{} comes and goes", blob.digest) })
    }

    /// Holds a blob that exists and gives it the labels; false if it is gone.
    ///
    /// The labels matter: the config of an image that was pulled without its snapshots refers to none.
    pub(super) async fn adopt(&self, lease: &Lease, blob: &Blob) -> Result<bool, Error> {
        self.hold(&lease.id(), RESOURCE, blob.digest.as_str()).await?;
        let request = wire::InfoRequest { digest: blob.digest.to_string() };
        let found: Result<wire::InfoResponse, Error> = self.call(method::CONTENT_INFO, None, &request).await;
        let Some(info) = allow(found, Code::NotFound)?.and_then(|found| found.info) else { return Ok(false) };
        if info.size != blob.size as i64 {
            let why = format!("it has {} bytes instead of {}", info.size, blob.size);
            return Err(Error::Damaged { digest: blob.digest.to_string(), why });
        }
        let missing = blob.labels.iter().filter(|(name, value)| info.labels.get(*name) != Some(*value));
        let paths: Vec<String> = missing.map(|(name, _)| format!("labels.{name}")).collect();
        if paths.is_empty() {
            return Ok(true);
        }
        let info = wire::Info { digest: blob.digest.to_string(), size: 0, labels: blob.labels.clone() };
        let request = wire::UpdateRequest { info: Some(info), update_mask: Some(FieldMask { paths }) };
        let updated: Result<wire::InfoResponse, Error> = self.call(method::UPDATE_CONTENT, None, &request).await;
        Ok(allow(updated, Code::NotFound)?.is_some())
    }
}
