//! Images of one transfer, and what the program asks of the two registries on loopback.

use handoff_registry::{Error as RelayError, PullRegistry, PushRegistry, Sent};

use crate::{Error, names};

/// Image with the repository and tag under which it is pushed to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tagged {
    pub(crate) image: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
}

/// Image of a transfer that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Reference under which it was sent.
    pub(crate) image: String,
    /// Digest of its manifest or index.
    pub(crate) digest: String,
    /// Tag under which the receiver's registry serves it.
    pub(crate) tag: String,
}

/// Tag of the n-th of several images. The ends tell images apart by tags alone, and two images may have the same one.
fn numbered(index: usize) -> String {
    format!("image-{}", index + 1)
}

/// Images with the names under which they are pushed. A single one keeps its tag.
pub(crate) fn tagged(images: &[String]) -> Vec<Tagged> {
    let several = images.len() > 1;
    let tag = |(index, image): (usize, &String)| {
        let name = names::repository(image);
        let (repository, tag) = name.split_once(':').unwrap_or((&name, "latest"));
        let tag = if several { numbered(index) } else { tag.to_owned() };
        Tagged { image: image.clone(), repository: repository.to_owned(), tag }
    };
    images.iter().enumerate().map(tag).collect()
}

/// Reference at a registry.
pub(crate) fn reference(registry: &str, tagged: &Tagged) -> String {
    format!("{registry}/{}:{}", tagged.repository, tagged.tag)
}

/// Bytes that were pushed so far.
pub(crate) fn pushed(sender: &PushRegistry) -> u64 {
    sender.received()
}

/// Makes the pushed images visible to receivers.
pub(crate) async fn commit(sender: PushRegistry, images: &[Tagged]) -> Result<Sent, Error> {
    let references: Vec<_> = images.iter().map(|tagged| (&tagged.image, &tagged.tag)).collect();
    Ok(sender.commit(&references).await?)
}

/// Digests of the sent images, in the order of the references.
pub(crate) fn digests(sent: &Sent) -> Vec<String> {
    sent.images.iter().map(|image| image.digest.to_string()).collect()
}

/// Images of a transfer, with names that docker takes.
pub(crate) fn arrivals(receiver: &PullRegistry) -> Result<Vec<Arrival>, Error> {
    let images = receiver.images();
    let (_, last_tag) = receiver.sent_as();
    let last_tag = last_tag.map(str::to_owned).ok_or(RelayError::NothingPushed)?;
    Ok(name_tags(images.into_iter().map(|i| (i.reference, i.digest.to_string())).collect(), &last_tag))
}

fn name_tags(images: Vec<(String, String)>, last_tag: &str) -> Vec<Arrival> {
    let several = images.len() > 1;
    let named = |(index, (image, digest)): (usize, (String, String))| {
        let tag = if several { numbered(index) } else { last_tag.to_owned() };
        Arrival { image, digest, tag }
    };
    images.into_iter().enumerate().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_images_of_one_tag_do_not_replace_each_other_and_receivers_find_their_tags() {
        let images = ["me/app:1".to_owned(), "db:1".to_owned()];
        let tagged = tagged(&images);
        let references: Vec<_> = tagged.iter().map(|t| reference("r:1", t)).collect();
        assert_eq!(references, ["r:1/app:image-1", "r:1/db:image-2"]);
        let sent = images.iter().map(|image| (image.clone(), "sha256:aa".to_owned())).collect();
        let arrived: Vec<_> = name_tags(sent, "image-2").into_iter().map(|a| a.tag).collect();
        assert_eq!(arrived, ["image-1", "image-2"]);
    }

    #[test]
    fn single_image_keeps_its_tag() {
        assert_eq!(reference("r:1", &tagged(&["me/app:1".to_owned()])[0]), "r:1/app:1");
        let arrived = name_tags(vec![("me/app:1".to_owned(), "sha256:aa".to_owned())], "1");
        assert_eq!(arrived[0].tag, "1");
    }
}
