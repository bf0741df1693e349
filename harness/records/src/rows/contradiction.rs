//! Rows that contradict themselves: no trial leaves them, so somebody or something changed them afterwards.

use handoff_model::outcome::Outcome;
use handoff_model::span::Role;
use handoff_model::user_image::UserImage;

use super::{ConsumerRow, MeasurementRow, SpanRow};

impl MeasurementRow {
    /// Contradiction within the row. Such a row belongs in no analysis.
    pub fn contradiction(&self) -> Option<String> {
        if self.load_1m.is_some_and(|load| !load.is_finite() || load < 0.0) {
            return Some("`load_1m` is no load".to_owned());
        }
        if !["", "import", "pull"].contains(&self.import.as_str()) {
            return Some(format!("`import` is neither import nor pull: {}", self.import));
        }
        if self.outcome == Outcome::Completed { self.completed() } else { self.not_completed() }
    }

    fn completed(&self) -> Option<String> {
        if self.content_equal != Some(true) && !(self.content_equal.is_none() && self.nothing_to_compare_with()) {
            let content = self.content_equal.map_or("empty".to_owned(), |equal| equal.to_string());
            return Some(format!("`completed`, but `content_equal` is {content}"));
        }
        if !self.failed_span.is_empty() || !self.error.is_empty() {
            return Some("`completed`, but with a failure".to_owned());
        }
        let needed = [
            ("consume_ns", self.consume_ns),
            ("critical_path_ns", self.critical_path_ns),
            ("runner_ns", self.runner_ns),
        ];
        if let Some((name, _)) = needed.iter().find(|(_, value)| value.is_none()) {
            return Some(format!("`completed`, but without `{name}`"));
        }
        let sum = self.produce_ns.unwrap_or(0).checked_add(self.consume_ns?);
        if self.critical_path_ns != sum {
            return Some("`critical_path_ns` is not `produce_ns` plus `consume_ns`".to_owned());
        }
        let required = self.spec().is_ok_and(|spec| spec.options.get("import").is_some_and(|way| way == "require"));
        if required && self.import == "pull" {
            return Some("`completed`, but the engine pulled an image whose import was required".to_owned());
        }
        if let Some(what) = self.counters() {
            return Some(what);
        }
        if self.runner_ns < self.critical_path_ns {
            return Some("`runner_ns` is less than `critical_path_ns`".to_owned());
        }
        // Without BuildKit's trace neither time is known; without a producer there is no transfer.
        let transfer = self.produce_ns.and(self.build_ns).and_then(|build| Some(sum?.saturating_sub(build)));
        (self.transfer_ns != transfer)
            .then(|| "`transfer_ns` is not `critical_path_ns` minus `build_ns`, as it is with a producer".to_owned())
    }

    /// Whether nobody knows what the image should hold: the user's own build, and no producer that made it before.
    pub fn nothing_to_compare_with(&self) -> bool {
        self.produce_ns.is_none() && UserImage::is_own_workload(&self.workload)
    }

    /// The service counts all of these or none.
    fn counters(&self) -> Option<String> {
        let counters = [
            self.bytes_up,
            self.bytes_down,
            self.bytes_stored,
            self.entries_stored,
            self.requests,
            self.retries,
            self.connections,
        ];
        if counters.iter().any(|c| c.is_some() != self.bytes_up.is_some()) {
            return Some("some columns that the service counts are empty, others are not".to_owned());
        }
        let (bytes, entries) = (self.bytes_stored?, self.entries_stored?);
        ((bytes == 0) != (entries == 0))
            .then(|| format!("`bytes_stored` is {bytes}, but `entries_stored` is {entries}"))
    }

    fn not_completed(&self) -> Option<String> {
        let times = [
            ("produce_ns", self.produce_ns),
            ("consume_ns", self.consume_ns),
            ("critical_path_ns", self.critical_path_ns),
            ("runner_ns", self.runner_ns),
            ("build_ns", self.build_ns),
            ("transfer_ns", self.transfer_ns),
        ];
        let (name, _) = times.iter().find(|(_, value)| value.is_some())?;
        Some(format!("`{}`, but with a time in `{name}`", self.outcome))
    }
}

impl ConsumerRow {
    /// Contradiction within the row.
    pub fn contradiction(&self) -> Option<String> {
        (self.consumer == 0).then(|| "consumers are counted from 1".to_owned())
    }
}

impl SpanRow {
    /// Contradiction within the row.
    pub fn contradiction(&self) -> Option<String> {
        if self.end_ns < self.start_ns {
            return Some("the span ends before it starts".to_owned());
        }
        match (self.role, self.consumer) {
            (Role::Producer, Some(_)) => Some("a producer's span has the number of a consumer".to_owned()),
            (Role::Consumer, None | Some(0)) => Some("a consumer's span has no number of a consumer".to_owned()),
            _ => None,
        }
    }
}
