//! `handoff strategies`.

use handoff_strategies::ALL;

use crate::out;

/// Prints every strategy with its options.
pub fn run() {
    for strategy in ALL {
        let facts = strategy.facts();
        out::data(&format!("{:<12} {}", facts.name, facts.summary));
        for option in facts.options {
            let value = if option.default.is_empty() { "..." } else { option.default };
            out::data(&format!("             :{}={value}  {}", option.name, option.help));
        }
    }
}
