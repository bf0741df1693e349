//! Cell: the unit of comparison.

use serde::{Deserialize, Serialize};

use crate::conditions::Conditions;
use crate::size::ByteSize;
use crate::strategy::StrategySpec;

/// Unit of comparison: a strategy on an image under conditions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    /// The strategy.
    pub strategy: StrategySpec,
    /// The workload's name.
    pub workload: String,
    /// Size asked for.
    pub size: ByteSize,
    /// The conditions.
    pub conditions: Conditions,
    /// A second run of the first strategy, for the noise floor.
    pub control: bool,
}
