//! Checks of a transfer before anything of it is fetched.

use handoff_model::{image_name, shell};
use handoff_registry::Digest;

use crate::Error;
use crate::transfer::Arrival;

/// Parses the value of `--digest`.
pub(super) fn digests(text: &str) -> Result<Vec<String>, Error> {
    let one = |part: &str| {
        let digest = part.trim().parse::<Digest>();
        digest.map(String::from).map_err(|_| {
            Error::BadInput(format!(
                "--digest {}: use sha256: and 64 hexadecimal digits, as `send` prints them, several separated by commas",
                shell::quote(part)
            ))
        })
    };
    text.split(',').map(one).collect()
}

/// Refuses a transfer whose images are not the expected ones: any job of a run can send under any name.
pub(super) fn same_digests(images: &[Arrival], expected: &[String]) -> Result<(), Error> {
    if expected.is_empty() {
        return Ok(());
    }
    if images.len() != expected.len() {
        return Err(Error::Failed(format!(
            "{} images were sent, and --digest names {}: nothing was fetched; name the digests that `send` printed",
            images.len(),
            expected.len()
        )));
    }
    let wrong = images.iter().zip(expected).find(|(image, expected)| image.digest != **expected);
    wrong.map_or(Ok(()), |(image, expected)| {
        Err(Error::Failed(format!(
            "{} was sent with the digest {}, and --digest names {expected}: nothing was fetched; \
             check which job sends under this name, and name the digest that its `send` printed",
            shell::escaped(&image.image),
            image.digest
        )))
    })
}

/// Refuses names that docker does not take: they come from the transfer, which any job of a run can write.
pub(super) fn names(images: &[Arrival]) -> Result<(), Error> {
    for image in images {
        image_name::check(&image.image).map_err(|why| {
            Error::Failed(format!(
                "the transfer names its image {}: {why}; use --tag IMAGE to name it",
                shell::quote(&shell::escaped(&image.image))
            ))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(digest: &str) -> Arrival {
        Arrival { image: "app:1".to_owned(), digest: digest.to_owned(), tag: "1".to_owned() }
    }

    #[test]
    fn image_with_another_digest_is_refused_with_both_digests() {
        let (a, b) = ("sha256:aa", "sha256:bb");
        let both = [arrival(a), arrival(b)];
        let expected = |digests: &[&str]| digests.iter().map(|&d| d.to_owned()).collect::<Vec<_>>();
        assert!(same_digests(&both, &[]).is_ok(), "without --digest anything is taken");
        assert!(same_digests(&both, &expected(&[a, b])).is_ok());
        let error = same_digests(&both, &expected(&[a, a])).unwrap_err();
        assert_eq!(error.code(), crate::error::BROKEN);
        assert!(error.to_string().contains(a) && error.to_string().contains(b), "{error}");
        assert!(same_digests(&both, &expected(&[b, a])).is_err(), "each image has its own digest");
        assert!(same_digests(&both, &expected(&[a])).is_err(), "an image that no digest covers");
    }

    #[test]
    fn value_of_digest_must_be_digests() {
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(digests(&format!("{digest}, {digest}")).unwrap().len(), 2);
        for wrong in ["", "sha256:aa", "latest", &format!("{digest},")] {
            let error = digests(wrong).unwrap_err();
            assert_eq!(error.code(), crate::error::BAD_INPUT, "{wrong}: {error}");
        }
    }

    #[test]
    fn name_from_a_transfer_cannot_be_an_option_of_docker() {
        for bad in ["--help", "a b", "a\nb", ""] {
            let image = Arrival { image: bad.to_owned(), ..arrival("sha256:aa") };
            assert!(names(&[image]).unwrap_err().to_string().contains("--tag"), "{bad:?}");
        }
        assert!(names(&[arrival("sha256:aa")]).is_ok());
    }
}
