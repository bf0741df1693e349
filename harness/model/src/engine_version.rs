//! Version of the engine's programs that a plan asks for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::LevelError;

/// Version of Docker in the jobs' engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EngineVersion {
    /// Programs of set-up, or of the machine; `environments.json` has their versions.
    #[default]
    Installed,
    /// Programs with this major version of Docker.
    Major(u32),
}

impl EngineVersion {
    /// Oldest major version of Docker that works: dockerd 28 contains a BuildKit newer than 0.20.
    pub const OLDEST: u32 = 28;
    const INSTALLED: &str = "installed";

    /// Whether no version is asked for.
    pub fn is_installed(&self) -> bool {
        *self == Self::Installed
    }
}

impl fmt::Display for EngineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => f.pad(Self::INSTALLED),
            Self::Major(major) => f.pad(&major.to_string()),
        }
    }
}

impl FromStr for EngineVersion {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        match text.parse() {
            _ if text == Self::INSTALLED => Ok(Self::Installed),
            Ok(major) if major >= Self::OLDEST => Ok(Self::Major(major)),
            _ => Err(LevelError::new("engine version", text, &[Self::INSTALLED, "28", "29"])),
        }
    }
}

impl TryFrom<String> for EngineVersion {
    type Error = LevelError;

    fn try_from(text: String) -> Result<Self, LevelError> {
        text.parse()
    }
}

impl From<EngineVersion> for String {
    fn from(version: EngineVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_installed_or_a_major_version_of_docker() {
        assert_eq!("29".parse(), Ok(EngineVersion::Major(29)));
        assert_eq!("installed".parse(), Ok(EngineVersion::Installed));
        for refused in ["27", "29.8", "newest", ""] {
            let error = refused.parse::<EngineVersion>().unwrap_err().to_string();
            assert!(error.starts_with("unknown engine version") && error.contains("installed, 28, 29"), "{error}");
        }
        let json = serde_json::to_string(&EngineVersion::Major(29)).unwrap();
        assert_eq!((json.as_str(), serde_json::from_str(&json).unwrap()), ("\"29\"", EngineVersion::Major(29)));
    }
}
