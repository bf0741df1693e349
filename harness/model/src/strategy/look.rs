//! Colour and marker of a strategy in every chart.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A colour, written as `#0072b2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// Blue, by Okabe and Ito: their colours are told apart with any colour vision. Yellow is left out, since it cannot be seen on
/// white.
pub const BLUE: Colour = Colour(0x00, 0x72, 0xB2);
/// Orange.
pub const ORANGE: Colour = Colour(0xE6, 0x9F, 0x00);
/// Bluish green.
pub const GREEN: Colour = Colour(0x00, 0x9E, 0x73);
/// Reddish purple.
pub const PURPLE: Colour = Colour(0xCC, 0x79, 0xA7);
/// Vermilion.
pub const VERMILION: Colour = Colour(0xD5, 0x5E, 0x00);
/// Sky blue.
pub const SKY: Colour = Colour(0x56, 0xB4, 0xE9);
/// Black, which a dark page shows as white.
pub const BLACK: Colour = Colour(0x00, 0x00, 0x00);
/// Grey.
pub const GREY: Colour = Colour(0x76, 0x76, 0x76);

/// The shape of a marker: it says the same as the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marker {
    /// A disc.
    Circle,
    /// A square.
    Square,
    /// A triangle that stands on its base.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// A triangle on its tip.
    Down,
    /// Two crossed bars, diagonal.
    Cross,
    /// Two crossed bars, upright.
    Plus,
    /// A pentagon.
    Pentagon,
    /// A horizontal bar: a strategy without facts.
    Bar,
}

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2))
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hex = text.strip_prefix('#').filter(|h| h.len() == 6).and_then(|h| u32::from_str_radix(h, 16).ok());
        let [_, r, g, b] = hex.map(u32::to_be_bytes).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not a colour: write # and six hexadecimal digits"))
        })?;
        Ok(Self(r, g, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_round_trips_and_malformed_colour_is_refused() {
        assert_eq!(serde_json::to_string(&ORANGE).unwrap(), "\"#e69f00\"");
        assert_eq!(serde_json::from_str::<Colour>("\"#e69f00\"").unwrap(), ORANGE);
        for text in ["\"e69f00\"", "\"#e69f0\"", "\"#e69g00\"", "\"\""] {
            assert!(
                serde_json::from_str::<Colour>(text).unwrap_err().to_string().contains("is not a colour"),
                "{text}"
            );
        }
    }
}
