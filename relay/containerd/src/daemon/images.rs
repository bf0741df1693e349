//! Image records, as the engine's own pull makes them.

use super::{Containerd, method};
use crate::error::{Code, allow};
use crate::proto::Empty;
use crate::proto::images::{Descriptor, Image as Record, ImageMessage, NameRequest};
use crate::{Error, Image, Lease};

/// Labels that a dangling image does not inherit: they are names.
const NAME_LABELS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// Name of the record that keeps an image without names, in `docker image ls` as `<none>`.
fn dangling(digest: &str) -> String {
    format!("moby-dangling@{digest}")
}

impl Containerd {
    /// Names the image. The order of the calls is such that an image which loses its name is held at every moment.
    pub(super) async fn write_record(&self, lease: &Lease, image: &Image) -> Result<(), Error> {
        let id = lease.id();
        let target = Descriptor {
            media_type: image.media_type.clone(),
            digest: image.digest.to_string(),
            size: image.size as i64,
            annotations: crate::proto::Labels::new(),
        };
        let record = Record { name: image.name.clone(), labels: crate::proto::Labels::new(), target: Some(target) };
        let request = ImageMessage { image: Some(record) };
        if !self.create(&id, &request).await? {
            self.keep_previous(&id, image).await?;
            self.call::<_, ImageMessage>(method::UPDATE_IMAGE, Some(&id), &request).await?;
        }
        // It has a name now.
        let request = NameRequest { name: dangling(image.digest.as_str()) };
        allow(self.call::<_, Empty>(method::DELETE_IMAGE, Some(&id), &request).await, Code::NotFound).map(drop)
    }

    /// Creates a record; false if there is one of that name.
    async fn create(&self, lease: &str, request: &ImageMessage) -> Result<bool, Error> {
        let created = self.call::<_, ImageMessage>(method::CREATE_IMAGE, Some(lease), request).await;
        Ok(allow(created, Code::AlreadyExists)?.is_some())
    }

    /// Makes the image that has the name dangling, unless it is the same one.
    async fn keep_previous(&self, lease: &str, image: &Image) -> Result<(), Error> {
        let request = NameRequest { name: image.name.clone() };
        let found: Result<ImageMessage, Error> = self.call(method::GET_IMAGE, Some(lease), &request).await;
        let Some(mut previous) = allow(found, Code::NotFound)?.and_then(|found| found.image) else { return Ok(()) };
        let digest = previous.target.as_ref().map(|t| t.digest.clone()).unwrap_or_default();
        if digest == image.digest.as_str() {
            return Ok(());
        }
        previous.name = dangling(&digest);
        previous.labels.retain(|name, _| !NAME_LABELS.contains(&name.as_str()));
        self.create(lease, &ImageMessage { image: Some(previous) }).await.map(drop)
    }
}
