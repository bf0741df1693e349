//! The presets: matrix files that come with the project.

use std::path::Path;

use handoff_model::nearest::hint;
use handoff_model::regular_file;

use crate::error::ExperimentError;
use crate::matrix::Matrix;

/// Name and text, in the order in which they are listed.
const PRESETS: [(&str, &str); 11] = [
    ("quick", include_str!("../presets/quick.toml")),
    ("spike", include_str!("../presets/spike.toml")),
    ("spike-containerd", include_str!("../presets/spike-containerd.toml")),
    ("claims", include_str!("../presets/claims.toml")),
    ("limits", include_str!("../presets/limits.toml")),
    ("latency", include_str!("../presets/latency.toml")),
    ("fan-out", include_str!("../presets/fan-out.toml")),
    ("variants", include_str!("../presets/variants.toml")),
    ("relay", include_str!("../presets/relay.toml")),
    ("relay-loopback", include_str!("../presets/relay-loopback.toml")),
    ("sensitivity", include_str!("../presets/sensitivity.toml")),
];

/// The preset of that name, or the matrix in the TOML file at that path.
///
/// # Errors
/// An unknown name, a file that cannot be read, and what [`Matrix::read`] refuses.
pub fn load(name_or_path: &str) -> Result<Matrix, ExperimentError> {
    if let Some((name, text)) = PRESETS.iter().find(|(name, _)| *name == name_or_path) {
        return Matrix::read(name, text);
    }
    // Anything that looks like a path is one, so that a misspelt path is not taken for a misspelt name.
    let path = Path::new(name_or_path);
    if path.extension().is_none() && path.components().count() < 2 {
        let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        let hint = hint(name_or_path, &names);
        return Err(ExperimentError(format!("unknown matrix `{name_or_path}`: {hint}, or the path of a TOML file")));
    }
    let text = regular_file::read_to_string(path).map_err(|error| {
        ExperimentError(format!(
            "cannot read the matrix {name_or_path}: {error}; give a preset's name or the path of a TOML file"
        ))
    })?;
    Matrix::read(name_or_path, &text)
}

/// Every preset, for a list.
///
/// # Errors
/// None: a test reads all of them.
pub fn presets() -> Result<Vec<Matrix>, ExperimentError> {
    PRESETS.iter().map(|(name, text)| Matrix::read(name, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_says_what_it_answers() {
        for matrix in presets().unwrap() {
            assert!(matrix.answers.len() > 60 && !matrix.summary.is_empty(), "{}", matrix.name);
        }
    }

    #[test]
    fn unknown_name_gets_the_nearest_and_absent_path_is_named() {
        let error = load("spik").unwrap_err().to_string();
        assert!(error.contains("did you mean `spike`?") && error.contains("TOML file"), "{error}");
        assert!(load("./none.toml").unwrap_err().to_string().contains("./none.toml"));
    }
}
