//! Names of images and transfers, checked before anything starts.

use handoff_model::{image_name, shell};
use handoff_storage::FORBIDDEN_IN_NAMES;

use crate::Error;

/// Refuses a name that no image can have, before docker answers with something else.
pub(crate) fn check_image(option: &str, name: &str) -> Result<(), Error> {
    image_name::check(name).map_err(|e| Error::BadInput(format!("{option} {}: {e}", shell::quote(name))))
}

/// Refuses a name that no store accepts.
///
/// # Errors
/// The character at fault.
pub fn check_transfer(name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::BadInput("--name '' is empty: give a name, or leave --name out".to_owned()));
    }
    let Some(bad) = name.chars().find(|c| c.is_control() || FORBIDDEN_IN_NAMES.contains(c)) else { return Ok(()) };
    Err(Error::BadInput(format!(
        "--name {}: the service takes no {} in a name: use none of \" : < > | * ? \\ / and no control character",
        shell::quote(name),
        image_name::described(bad)
    )))
}

/// Repository and tag that any registry takes: the last part of the image's name.
pub(crate) fn repository(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("image");
    if name.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_maps_to_a_valid_repository_name() {
        assert_eq!(repository("app"), "app:latest");
        assert_eq!(repository("example.org:5000/team/app:1.2"), "app:1.2");
        assert_eq!(repository("app@sha256:00"), "app:latest");
    }
}
