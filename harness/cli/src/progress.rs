//! Progress of a run: a bar with the time left on a terminal, plain lines elsewhere. It talks on stderr.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use handoff_analysis::plural;
use handoff_model::duration::human;
use handoff_model::{Cell, Outcome, Trial, UserImage};
use handoff_runner::Progress;
use handoff_runner::needs::{first_guess, sized};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::out;

/// Display of a run's progress on stderr.
#[derive(Debug)]
pub struct Display {
    bar: Option<ProgressBar>,
    /// Expected end of the run, to which the bar counts down between events.
    end: Arc<Mutex<Instant>>,
    estimate: Estimate,
    started: Instant,
}

/// Time left, from what trials of the same kind took; the first guess where none has run yet.
#[derive(Debug, Default)]
pub struct Estimate {
    /// The user's own image, whose size their daemon may know.
    user_image: Option<UserImage>,
    todo: Vec<(Cell, Duration)>,
    took: BTreeMap<Cell, (Duration, u32)>,
    guessed: Duration,
    measured: Duration,
}

impl Estimate {
    /// Cell whose trials take the same time; the control is the same cell.
    fn key(trial: &Trial) -> Cell {
        Cell { control: false, ..trial.cell.clone() }
    }

    /// The trials that are left.
    pub fn begin(&mut self, todo: &[&Trial]) {
        self.todo = todo.iter().map(|t| (Self::key(t), first_guess(&sized(t, self.user_image.as_ref())))).collect();
    }

    /// A trial has ended.
    pub fn done(&mut self, trial: &Trial, took: Duration) {
        if self.todo.is_empty() {
            return;
        }
        let (cell, guess) = self.todo.remove(0);
        debug_assert_eq!(Self::key(trial), cell);
        self.guessed += guess;
        self.measured += took;
        let entry = self.took.entry(cell).or_default();
        entry.0 += took;
        entry.1 += 1;
    }

    /// Time left.
    pub fn left(&self) -> Duration {
        let scale = if self.guessed.is_zero() { 1.0 } else { self.measured.as_secs_f64() / self.guessed.as_secs_f64() };
        let one = |(cell, guess): &(Cell, Duration)| match self.took.get(cell) {
            Some((sum, n)) => *sum / *n,
            None => guess.mul_f64(scale),
        };
        self.todo.iter().map(one).sum()
    }
}

impl Display {
    /// A display for stderr of a run, perhaps on the user's own image.
    pub fn new(user_image: Option<UserImage>) -> Self {
        let now = Instant::now();
        let estimate = Estimate { user_image, ..Estimate::default() };
        Self { bar: None, end: Arc::new(Mutex::new(now)), estimate, started: now }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::talk(text)),
            None => out::talk(text),
        }
    }

    fn style(&self) -> ProgressStyle {
        let end = Arc::clone(&self.end);
        let left = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let left = end.lock().map(|e| e.saturating_duration_since(Instant::now())).unwrap_or_default();
            let _ = write!(out, "{}", human(left));
        };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}  {elapsed_precise}, about {left} left");
        style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("left", left)
    }

    fn update_end(&self) {
        if let Ok(mut end) = self.end.lock() {
            *end = Instant::now() + self.estimate.left();
        }
    }

    fn left(&self) -> String {
        format!("about {} left", human(self.estimate.left()))
    }

    /// Shows an event.
    pub fn show(&mut self, event: &Progress) {
        match event {
            Progress::Note(text) => self.line(&format!("{text} ...")),
            Progress::Warning(text) => self.line(&format!("warning: {text}")),
            Progress::Begin { total, todo } => {
                self.estimate.begin(todo);
                self.update_end();
                let done = total - todo.len();
                let resumed = if done > 0 { format!(", {done} are done already") } else { String::new() };
                let trials = plural(*total, "trial", "trials");
                self.line(&format!("{trials}{resumed}: {}", self.left()));
                if std::io::stderr().is_terminal() {
                    let bar = ProgressBar::new(*total as u64);
                    bar.set_style(self.style());
                    bar.set_position(done as u64);
                    bar.enable_steady_tick(Duration::from_secs(1));
                    self.bar = Some(bar);
                }
            }
            Progress::Trial(trial) => match &self.bar {
                Some(bar) => bar.set_message(format!("{} {}", trial.cell.strategy, trial.cell.size)),
                None => out::talk(&format!("{} ... ({})", trial.id, self.left())),
            },
            Progress::TrialPhase(part) => {
                if let Some(bar) = &self.bar {
                    let message = bar.message();
                    let trial = message.split(" · ").next().unwrap_or_default().to_owned();
                    bar.set_message(format!("{trial} · {part}"));
                }
            }
            Progress::Done { trial, row, took } => {
                self.estimate.done(trial, *took);
                self.update_end();
                let seconds = |ns: Option<u64>| ns.map_or("-".to_owned(), |n| format!("{:.1} s", n as f64 / 1e9));
                let (path, transfer) = (seconds(row.critical_path_ns), seconds(row.transfer_ns));
                let text = match row.outcome {
                    Outcome::Completed => format!("{} critical path {path}, transfer {transfer}", trial.id),
                    outcome => format!("{} {outcome}: {}: {}", trial.id, row.failed_span, row.error),
                };
                self.line(&text);
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                }
            }
        }
    }

    /// Takes the bar away; tells the time of a run that went to its end.
    pub fn finish(&mut self, ended: bool) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if ended {
            out::talk(&format!("done in {}", human(self.started.elapsed())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_model::{Plan, PlanRequest, StrategySpec};

    #[test]
    fn measured_durations_replace_the_guess() {
        let plan = Plan::new(PlanRequest::of(vec![StrategySpec::plain("artifact")])).unwrap();
        let mut estimate = Estimate::default();
        estimate.begin(&plan.trials.iter().collect::<Vec<_>>());
        assert_eq!(estimate.left(), first_guess(&plan.trials[0]) * 3);
        estimate.done(&plan.trials[0], Duration::from_secs(10));
        assert_eq!(estimate.left(), Duration::from_secs(20));
        estimate.done(&plan.trials[1], Duration::from_secs(20));
        assert_eq!(estimate.left(), Duration::from_secs(15));
    }
}
