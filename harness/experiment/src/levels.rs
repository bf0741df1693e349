//! Levels of factors in lists: as a flag gives them (`1GiB,2GiB`) and as a matrix file holds them (`["1GiB", "2GiB"]`).

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;

use handoff_link::profile;
use handoff_model::list::{commas, repeated};
use handoff_model::{Builder, ByteSize, CacheState, EngineKind, EngineVersion, ImageStore, StrategySpec};
use serde::Deserialize;
use serde::de::value::{I64Deserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, SeqAccess, Visitor};

/// A level of a factor.
pub trait Level: Sized + PartialEq + Display {
    /// Type of an item in a matrix file's list.
    type Item: DeserializeOwned;

    /// Reads the value of a flag.
    ///
    /// # Errors
    /// A text that is no list of such levels.
    fn read(text: &str) -> Result<Vec<Self>, String>;

    /// Reads an item of a matrix file's list.
    ///
    /// # Errors
    /// An item that is no such level.
    fn of_item(item: Self::Item) -> Result<Vec<Self>, String>;
}

/// Reads what stands between commas.
fn by_commas<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, String> {
    let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
    pieces.map(|piece| piece.parse().map_err(|error: T::Err| error.to_string())).collect()
}

/// Implements [`Level`] for kinds that a matrix file writes as texts; `$read` reads a list of them.
macro_rules! text_levels {
    ($($kind:ty: $read:expr),+ $(,)?) => { $(
        impl Level for $kind {
            type Item = String;

            fn read(text: &str) -> Result<Vec<Self>, String> {
                $read(text)
            }

            fn of_item(text: String) -> Result<Vec<Self>, String> {
                Self::read(&text)
            }
        }
    )+ };
}

text_levels!(
    Builder: by_commas,
    ByteSize: by_commas,
    CacheState: by_commas,
    EngineKind: by_commas,
    EngineVersion: by_commas,
    ImageStore: by_commas,
    ProfileName: |text| Ok(profile::split_list(text).into_iter().map(ProfileName).collect()),
    StrategySpec: |text| StrategySpec::parse_list(text).map_err(|error| error.to_string()),
    String: by_commas,
);

/// A link profile by name or path, with changed figures if wanted: `github-hosted:request_ms=25ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileName(pub String);

impl Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of consumer jobs of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consumers(u32);

impl Consumers {
    /// The most consumers of a trial.
    const MOST: u32 = 256;

    /// The number.
    pub fn count(self) -> u32 {
        self.0
    }

    /// Takes a number from outside as it is: a stored plan has been checked.
    pub(crate) fn held(count: u32) -> Self {
        Self(count)
    }

    fn checked(count: i64) -> Result<Self, String> {
        let fits = u32::try_from(count).ok().filter(|count| (1..=Self::MOST).contains(count));
        fits.map(Self).ok_or_else(|| format!("{count} consumers are out of range: use 1 to {}", Self::MOST))
    }
}

impl Display for Consumers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Consumers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.parse().map_err(|_| format!("`{text}` is no number of consumers: use 1 to {}", Self::MOST))?;
        Self::checked(count)
    }
}

impl Level for Consumers {
    type Item = i64;

    fn read(text: &str) -> Result<Vec<Self>, String> {
        by_commas(text)
    }

    fn of_item(count: i64) -> Result<Vec<Self>, String> {
        Self::checked(count).map(|one| vec![one])
    }
}

/// Levels of one factor: at least one, and none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(Vec<T>);

impl<T: Level> List<T> {
    /// Makes a list.
    ///
    /// # Errors
    /// No level, or one that is named twice.
    pub fn new(levels: Vec<T>) -> Result<Self, String> {
        if levels.is_empty() {
            return Err("the list is empty: name a level, or leave it out".to_owned());
        }
        match repeated(&levels) {
            Some(level) => Err(twice(level)),
            None => Ok(Self(levels)),
        }
    }
}

/// Error for a level that is named twice.
pub(crate) fn twice(level: impl Display) -> String {
    format!("{level} is named twice: name it once, --rounds repeats it")
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Level> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(T::read(text)?)
    }
}

impl<T: Display> Display for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&commas(&self.0))
    }
}

impl<'de, T: Level> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items: Vec<T::Item> = one_or_many(deserializer)?;
        let levels = items.into_iter().map(T::of_item).collect::<Result<Vec<_>, _>>();
        levels.and_then(|levels| Self::new(levels.into_iter().flatten().collect())).map_err(D::Error::custom)
    }
}

/// Reads one item, or all items of an array.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct OneOrMany<T>(PhantomData<T>);

    impl<'de, T: DeserializeOwned> Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one level or a list of levels")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
            let number: I64Deserializer<E> = number.into_deserializer();
            Ok(vec![T::deserialize(number)?])
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            let text: StrDeserializer<'_, E> = text.into_deserializer();
            Ok(vec![T::deserialize(text)?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(item) = items.next_element()? {
                all.push(item);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_any(OneOrMany(PhantomData))
}
