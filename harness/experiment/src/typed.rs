//! The field `matrix` of `plan.json`, read back: a matrix with the options that were laid over it, as they are typed. A report
//! prints the text as the command that runs the same again, unless the matrix has changed.

use std::iter::once;

use clap::Parser as _;
use handoff_model::{EngineKind, Plan, PlanRequest};

use crate::context::Context;
use crate::presets::load;
use crate::request::Experiment;

/// The experiment that a text stands for.
fn read(text: &str) -> Option<Experiment> {
    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        experiment: Experiment,
    }
    let words = once("run".to_owned()).chain(shlex::split(text)?);
    Typed::try_parse_from(words).ok().map(|typed| typed.experiment)
}

impl Experiment {
    /// Whether the matrix of an earlier request, with the options that were typed, lays out other trials now. A matrix that is
    /// not here says nothing of that.
    pub fn has_changed(stored: &PlanRequest, context: &Context<'_>) -> bool {
        // The folder of a user's own image need not be here.
        let Some(text) = stored.matrix.as_deref().filter(|_| stored.user_image.is_none()) else { return false };
        let Some(experiment) = read(text) else { return true };
        let Some(matrix) = experiment.matrix.as_deref().and_then(|name| load(name).ok()) else { return false };
        let cells = |request: PlanRequest| {
            let (timeout_s, seed) = (request.timeout_s, request.seed);
            let trials = Plan::new(request).ok()?.trials;
            let mut cells: Vec<_> = trials.into_iter().map(|t| (t.cell, t.round)).collect();
            cells.sort();
            Some((cells, timeout_s, seed))
        };
        let host = stored.conditions.iter().find(|c| c.engine == EngineKind::Host).map(|c| c.image_store);
        let context = Context { host_store: host, ..context.clone() };
        let now = experiment.request_of(&matrix, None, &context).ok().and_then(cells);
        now.is_none() || now != cells(stored.clone())
    }
}
