//! The presets: matrix files that come with the project.

use std::path::Path;

use handoff_model::nearest::hint;
use handoff_model::regular_file;

use crate::error::{ExperimentError, Result};
use crate::matrix::Matrix;

/// Reads in the files of presets.
macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../presets/", $name, ".toml")))),+]
    };
}

/// Name and text, in the order in which they are listed.
const PRESETS: &[(&str, &str)] = presets! {
    "quick", "spike", "spike-containerd", "claims", "limits", "latency", "fan-out", "variants", "relay", "relay-loopback",
    "sensitivity"
};

/// The preset of that name, or the matrix in the TOML file at that path.
///
/// # Errors
/// An unknown name, a file that cannot be read, and what [`Matrix::read`] refuses.
pub fn load(name_or_path: &str) -> Result<Matrix> {
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
    let unreadable = |error| {
        format!("cannot read the matrix {name_or_path}: {error}; give a preset's name or the path of a TOML file")
    };
    let text = regular_file::read_to_string(path).map_err(|error| ExperimentError(unreadable(error)))?;
    Matrix::read(name_or_path, &text)
}

/// Every preset, for a list.
///
/// # Errors
/// None: a test reads all of them.
pub fn presets() -> Result<Vec<Matrix>> {
    PRESETS.iter().map(|(name, text)| Matrix::read(name, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_summary_and_question() {
        for matrix in presets().unwrap() {
            assert!(matrix.answers.len() > 60 && !matrix.summary.is_empty(), "{}", matrix.name);
        }
    }

    #[test]
    fn unknown_preset_gets_a_hint_and_absent_path_is_named() {
        let error = load("spik").unwrap_err().to_string();
        assert!(error.contains("did you mean `spike`?") && error.contains("TOML file"), "{error}");
        assert!(load("./none.toml").unwrap_err().to_string().contains("./none.toml"));
    }
}
