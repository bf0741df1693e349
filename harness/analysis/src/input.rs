//! Input of an analysis: the rows of one or several runs, each trial once.

use std::collections::HashMap;

use handoff_model::VariantFacts;
use handoff_records::{ConsumerRow, MeasurementRow, Results, SpanRow};

/// The rows of one results folder.
#[derive(Debug, Clone, Copy)]
pub struct RunRows<'a> {
    /// The run's name: the folder's. Every number can be traced to it.
    pub run: &'a str,
    /// Facts of the variants from its plan.
    pub facts: &'a [VariantFacts],
    /// One row a trial.
    pub measurements: &'a [MeasurementRow],
    /// One row a consumer.
    pub consumers: &'a [ConsumerRow],
    /// One row a span.
    pub spans: &'a [SpanRow],
}

impl<'a> From<&'a Results> for RunRows<'a> {
    fn from(results: &'a Results) -> Self {
        let Results { name, plan, measurements, consumers, spans, .. } = results;
        Self { run: name, facts: &plan.facts, measurements, consumers, spans }
    }
}

/// Rows that cannot be analysed together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// One trial twice would count twice.
    #[error("trial {trial} is in `{first}` and again in `{second}`: name one of the two folders only")]
    Duplicate {
        /// The trial.
        trial: String,
        /// The run that has it first.
        first: String,
        /// The run that has it again.
        second: String,
    },
}

/// Refuses a trial that is there twice: a nonce belongs to one trial of one run.
pub(crate) fn refuse_duplicates(runs: &[RunRows<'_>]) -> Result<(), InputError> {
    let mut seen: HashMap<(&str, &str), &str> = HashMap::new();
    for run in runs {
        for row in run.measurements {
            if let Some(first) = seen.insert((&row.nonce, &row.trial), run.run) {
                return Err(InputError::Duplicate {
                    trial: row.trial.clone(),
                    first: first.to_owned(),
                    second: run.run.to_owned(),
                });
            }
        }
    }
    Ok(())
}
