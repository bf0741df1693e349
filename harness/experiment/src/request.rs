//! Request of a plan: options override a matrix, a stored plan and the defaults, in this order.

use handoff_analysis::declared;
use handoff_link::profile;
use handoff_model::list::{and, commas, unique};
use handoff_model::{ByteSize, EngineKind, PlanRequest, Purpose, StrategySpec, shell};

use crate::conditions;
use crate::context::{Context, RunsOn};
use crate::error::{ExperimentError, Fault, Result};
use crate::factors::{Factors, Given, Whole};
use crate::matrix::Matrix;
use crate::presets::load;
use crate::rounds::{AUTO, Rounds};

/// Experiment to run. Every option has a default; a resumed run takes options that are not given from its plan.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Experiment {
    /// Preset (`handoff plan --list`) or TOML file that sets the options; those of the command line override it
    #[arg(value_name = "MATRIX")]
    pub matrix: Option<String>,
    /// Factors.
    #[command(flatten)]
    pub factors: Factors,
    /// Settings of the whole run.
    #[command(flatten)]
    pub whole: Whole,
}

impl Experiment {
    /// Makes the request. What is not named comes from the matrix, else from `stored` (a run to resume), else from the
    /// defaults.
    ///
    /// # Errors
    /// A level that is not there or cannot be, and factors that do not go together; of a matrix file with the line.
    pub fn request(&self, stored: Option<&PlanRequest>, context: &Context<'_>) -> Result<PlanRequest> {
        if let Some(name) = &self.matrix {
            return self.request_of(&load(name)?, stored, context);
        }
        match stored.filter(|s| !(s.blocks.is_empty() && s.exclude.is_empty())) {
            // The image is the stored one, with the values of build arguments, which are in no file.
            Some(stored) if *self == Self::default() => {
                Ok(PlanRequest { user_image: context.user_image.clone(), ..stored.clone() })
            }
            Some(_) => {
                let fix = "leave all options out to go on with it, or name the matrix again";
                Err(ExperimentError(format!("this run was laid out by a matrix: {fix}")))
            }
            None => {
                let mut request = cross(&self.factors, &self.whole, stored, context)?;
                resolve_auto(&mut request, &[self.factors.rounds == Some(Rounds::Auto)]);
                Ok(request)
            }
        }
    }

    /// Lays these options over every block of a matrix.
    pub(crate) fn request_of(
        &self,
        matrix: &Matrix,
        stored: Option<&PlanRequest>,
        context: &Context<'_>,
    ) -> Result<PlanRequest> {
        let given = self.given();
        let whole = self.whole.with_defaults(&matrix.whole);
        let mut parts: Vec<(PlanRequest, bool)> = Vec::new();
        for (at, block) in matrix.blocks.iter().enumerate() {
            let factors = self.factors.with_defaults(block);
            let part = cross(&factors, &whole, None, context).map_err(|fault| {
                // What an option says is the option's error, and what only goes wrong with options has no line.
                let of_file = fault.key.map_or(given.is_empty(), |key| given.iter().all(|given| given.key != key));
                if of_file { matrix.block_error(at, &fault) } else { fault.into() }
            })?;
            let auto = factors.rounds == Some(Rounds::Auto);
            // Blocks that an option has made alike are one.
            match parts.iter_mut().find(|(held, _)| PlanRequest { rounds: held.rounds, ..part.clone() } == *held) {
                Some((held, held_auto)) => {
                    held.rounds = held.rounds.max(part.rounds);
                    *held_auto |= auto;
                }
                None => parts.push((part, auto)),
            }
        }
        let (parts, auto): (Vec<PlanRequest>, Vec<bool>) = parts.into_iter().unzip();
        let mut parts = parts.into_iter();
        let none = || ExperimentError(format!("matrix {}: it has no block", matrix.name));
        let mut request = parts.next().ok_or_else(none)?;
        parts.for_each(|part| request.merge(&part));
        for (rule, lines) in &matrix.exclude {
            let rule = rule.exclusion(context).map_err(|fault| matrix.error(Some(lines), &fault))?;
            request.exclude.push(rule);
        }
        resolve_auto(&mut request, &auto);
        // As it is typed; the user's own image in its printed form, which has no values of build arguments.
        let typed = given.iter().map(ToString::to_string).chain(context.user_image.iter().map(ToString::to_string));
        let words: Vec<String> = std::iter::once(shell::quote(&matrix.name)).chain(typed).collect();
        request.matrix = Some(words.join(" "));
        if let Some(stored) = stored {
            request.run_id.clone_from(&stored.run_id);
            request.matrix.clone_from(&stored.matrix);
        }
        Ok(request)
    }

    /// Whether the image store of the user's daemon decides: the daemon is an engine, and no store is named for it.
    ///
    /// # Errors
    /// A matrix that cannot be read.
    pub fn asks_host_store(&self) -> Result<bool> {
        let asks = |factors: &Factors| {
            let host = factors.engines.as_ref().is_some_and(|engines| engines.contains(&EngineKind::Host));
            host && factors.image_stores.is_none()
        };
        Ok(match &self.matrix {
            Some(name) => load(name)?.blocks.iter().any(|block| asks(&self.factors.with_defaults(block))),
            None => asks(&self.factors),
        })
    }

    /// The options that are given, as they are typed.
    pub(crate) fn given(&self) -> Vec<Given> {
        [self.factors.given(), self.whole.given()].concat()
    }

    /// Options that override the matrix: one line for each, with both values.
    ///
    /// # Errors
    /// A matrix that cannot be read.
    pub fn overrides(&self) -> Result<Vec<String>> {
        let Some(name) = &self.matrix else { return Ok(Vec::new()) };
        let matrix = load(name)?;
        let mut lines = Vec::new();
        for Given { key, option, values } in self.given() {
            let whole = matrix.whole.given();
            let fields = matrix.blocks.iter().flat_map(|block| block.given().into_iter().chain(whole.clone()));
            let held = unique(fields.filter(|field| field.key == key).map(|field| commas(field.values)));
            let given = commas(values);
            if !held.is_empty() && held != [given.clone()] {
                lines.push(format!("{option} {given} instead of {} (matrix {name})", and(&held)));
            }
        }
        Ok(lines)
    }
}

/// The request of one block: its factors, crossed.
fn cross(
    factors: &Factors,
    whole: &Whole,
    stored: Option<&PlanRequest>,
    context: &Context<'_>,
) -> Result<PlanRequest, Fault> {
    let strategies =
        |named: Vec<StrategySpec>| (context.strategies)(named).map_err(|error| Fault::at("strategies", error));
    let mut request = match stored {
        Some(stored) => stored.clone(),
        None => PlanRequest {
            run_id: context.run_id.clone(),
            ..PlanRequest::of(strategies(vec![StrategySpec::plain("all")])?)
        },
    };
    if let Some(named) = &factors.strategies {
        request.strategies = strategies(named.to_vec())?;
    }
    request.purpose = whole.purpose.unwrap_or(request.purpose);
    check_purpose(request.purpose, factors, whole)?;
    request.compare = whole.compare.unwrap_or(request.compare);
    request.rounds = factors.rounds.map_or(request.rounds, Rounds::at_least);
    request.control |= whole.control == Some(true);
    request.timeout_s = whole.timeout.map_or(request.timeout_s, u64::from);
    request.seed = whole.seed.unwrap_or(request.seed);
    request.user_image.clone_from(&context.user_image);
    if let Some(user_image) = &context.user_image {
        (request.sizes, request.workloads) = (vec![ByteSize::USER], vec![user_image.workload()]);
    } else {
        request.sizes = factors.sizes.as_deref().map_or(request.sizes, <[_]>::to_vec);
        request.workloads = factors.workloads.as_deref().map_or(request.workloads, <[_]>::to_vec);
        for workload in &request.workloads {
            (context.check_image)(workload, None).map_err(|error| Fault::at("workloads", error))?;
            for size in &request.sizes {
                (context.check_image)(workload, Some(*size)).map_err(|error| Fault::at("sizes", error))?;
            }
        }
    }
    if stored.is_none() || !factors.names_no_condition() {
        let held = stored.map(|stored| stored.conditions.as_slice()).unwrap_or_default();
        request.conditions = conditions::cross(factors, held, context)?;
    }
    // The service reads it again: what is wrong with it is said before anything starts, also in a run that goes on.
    for conditions in request.conditions.iter().filter(|_| context.runs_on == RunsOn::Here) {
        profile::load(&conditions.profile).map_err(|error| Fault::at("profiles", error))?;
    }
    Ok(request)
}

/// Refuses what speaks of declared comparisons in a run that declares none.
fn check_purpose(purpose: Purpose, factors: &Factors, whole: &Whole) -> Result<(), Fault> {
    if purpose == Purpose::Decision {
        return Ok(());
    }
    let none = format!("--purpose {purpose} declares no comparison");
    let problem = match (whole.compare, factors.rounds) {
        (Some(compare), _) => format!("--compare {compare} has no effect: leave --compare out"),
        (_, Some(Rounds::Auto)) => format!("--rounds {AUTO} has nothing to decide: give a number of rounds"),
        _ => return Ok(()),
    };
    Err(Fault::from(format!("{none}, so {problem}, or use --purpose decision")))
}

/// Gives those parts of a request that are `auto`, in the order of [`PlanRequest::parts`], the rounds that their declared
/// comparisons need.
fn resolve_auto(request: &mut PlanRequest, auto: &[bool]) {
    let needed = declared::rounds_of_parts(request);
    let mut needed = needed.into_iter().zip(auto).map(|(rounds, auto)| if *auto { rounds } else { 0 });
    if request.blocks.is_empty() {
        request.rounds = request.rounds.max(needed.next().unwrap_or(0));
        return;
    }
    for (block, rounds) in request.blocks.iter_mut().zip(needed) {
        block.rounds = block.rounds.max(rounds);
    }
    request.rounds = request.blocks.iter().map(|block| block.rounds).max().unwrap_or(request.rounds);
}

#[cfg(test)]
mod tests;
