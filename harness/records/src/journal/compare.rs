//! Whether two requests ask for the same plan, and if not, in what they differ.

use std::fmt::Display;

use handoff_model::conditions::FACTORS;
use handoff_model::list::commas;
use handoff_model::{Conditions, PlanRequest, UserImage};

/// The first option in which `given` differs from `held`, with both values as they would be typed.
///
/// The run's random name is no option and is not compared.
pub fn difference(held: &PlanRequest, given: &PlanRequest) -> Option<(&'static str, String, String)> {
    // Taking the requests apart by name makes a new field an error here until somebody decides on it.
    let PlanRequest {
        sizes,
        strategies,
        workloads,
        rounds,
        conditions,
        control,
        timeout_s,
        seed,
        run_id: _,
        blocks,
        exclude,
        // How it was typed; what it means is compared.
        matrix: _,
        user_image,
        compare,
        purpose,
    } = held;
    let text = |user_image: &Option<UserImage>| user_image.as_ref().map_or("none".to_owned(), ToString::to_string);
    differ("the image of your own", text(user_image), text(&given.user_image))
        .or_else(|| differ("--sizes", commas(sizes), commas(&given.sizes)))
        .or_else(|| differ("--strategies", commas(strategies), commas(&given.strategies)))
        .or_else(|| differ("--workload", commas(workloads), commas(&given.workloads)))
        .or_else(|| differ("--rounds", rounds, given.rounds))
        .or_else(|| conditions_differ(conditions, &given.conditions))
        .or_else(|| differ("--control", on_off(*control), on_off(given.control)))
        .or_else(|| differ("--compare", compare, given.compare))
        .or_else(|| differ("--purpose", purpose, given.purpose))
        .or_else(|| differ("--timeout", timeout_s, given.timeout_s))
        .or_else(|| differ("--seed", seed, given.seed))
        .or_else(|| differ("the blocks of its matrix", json(blocks), json(&given.blocks)))
        .or_else(|| differ("the rules of its matrix", json(exclude), json(&given.exclude)))
}

fn conditions_differ(held: &[Conditions], given: &[Conditions]) -> Option<(&'static str, String, String)> {
    for factor in FACTORS {
        let levels = |of: &[Conditions]| {
            let mut levels: Vec<String> = of.iter().map(factor.level).collect();
            levels.dedup();
            commas(levels)
        };
        if let Some(difference) = differ(factor.option, levels(held), levels(given)) {
            return Some(difference);
        }
    }
    let whole = |of: &[Conditions]| {
        let text = |c: &Conditions| FACTORS.iter().map(|f| (f.level)(c)).collect::<Vec<_>>().join("/");
        commas(of.iter().map(text))
    };
    differ("the conditions", whole(held), whole(given))
}

fn differ(option: &'static str, held: impl Display, given: impl Display) -> Option<(&'static str, String, String)> {
    let (held, given) = (held.to_string(), given.to_string());
    (held != given).then_some((option, held, given))
}

/// As JSON, or, where it has none, as Rust writes it: two that differ must never look alike.
fn json<T: serde::Serialize + std::fmt::Debug>(of: &T) -> String {
    serde_json::to_string(of).unwrap_or_else(|_| format!("{of:?}"))
}

fn on_off(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}
