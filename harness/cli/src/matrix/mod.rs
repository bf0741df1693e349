//! Matrix files: a whole experiment in one TOML file, and those that come with the project.

mod read;
mod rules;

use std::path::Path;

use handoff_model::Exclusion;
use handoff_model::nearest::hint;

use crate::args::PlanArgs;
use crate::exit::bad_input;

/// The presets: name and text, in the order in which they are listed.
const PRESETS: [(&str, &str); 11] = [
    ("quick", include_str!("../../presets/quick.toml")),
    ("spike", include_str!("../../presets/spike.toml")),
    ("spike-containerd", include_str!("../../presets/spike-containerd.toml")),
    ("claims", include_str!("../../presets/claims.toml")),
    ("limits", include_str!("../../presets/limits.toml")),
    ("latency", include_str!("../../presets/latency.toml")),
    ("fan-out", include_str!("../../presets/fan-out.toml")),
    ("variants", include_str!("../../presets/variants.toml")),
    ("relay", include_str!("../../presets/relay.toml")),
    ("relay-loopback", include_str!("../../presets/relay-loopback.toml")),
    ("sensitivity", include_str!("../../presets/sensitivity.toml")),
];

/// An experiment as a file says it.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// Name of the preset, or path of the file.
    pub name: String,
    /// One line: what it runs.
    pub summary: String,
    /// The question that it answers.
    pub answers: String,
    /// Each block's factors, as options would give them.
    pub blocks: Vec<PlanArgs>,
    /// Each block's line, and each of its keys alone, by which an error finds its line.
    pub places: Vec<Places>,
    /// Cells that are left out.
    pub exclude: Vec<Exclusion>,
}

/// The preset of that name, or the matrix in the TOML file at that path.
pub fn load(name_or_path: &str) -> anyhow::Result<Matrix> {
    if let Some((name, text)) = PRESETS.iter().find(|(name, _)| *name == name_or_path) {
        return read::read(name, text);
    }
    // Anything that looks like a path is one, so that a misspelt path is not taken for a misspelt name.
    let path = Path::new(name_or_path);
    if path.extension().is_none() && path.components().count() < 2 {
        let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        let hint = hint(name_or_path, &names);
        return Err(bad_input(format!("unknown matrix `{name_or_path}`: {hint}, or the path of a TOML file")));
    }
    let text = handoff_model::regular_file::read_to_string(path).map_err(|error| {
        bad_input(format!(
            "cannot read the matrix {name_or_path}: {error}; give a preset's name or the path of a TOML file"
        ))
    })?;
    read::read(name_or_path, &text)
}

/// Every preset, for a list.
pub fn presets() -> anyhow::Result<Vec<Matrix>> {
    PRESETS.iter().map(|(name, text)| read::read(name, text)).collect()
}

/// Where a block stands in its file.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The line of its first key.
    pub line: usize,
    /// Line, key, and what the key alone says.
    pub keys: Vec<(usize, String, PlanArgs)>,
}

impl Matrix {
    /// An error of a block with its place: the key that alone makes the same error, else the block's first line.
    pub fn located(&self, block: usize, error: &str, of: impl Fn(&PlanArgs) -> Option<String>) -> anyhow::Error {
        let places = self.places.get(block).cloned().unwrap_or_default();
        let key = places.keys.iter().find(|(_, _, alone)| of(alone).as_deref() == Some(error));
        let (line, problem) = match key {
            Some((line, key, _)) => (*line, format!("`{key}`: {error}")),
            None => (places.line.max(1), error.to_owned()),
        };
        bad_input(format!("matrix {}: line {line}: {problem}", self.name))
    }

    /// What options override: one line for each, with both values.
    pub fn overridden(&self, options: &PlanArgs) -> Vec<String> {
        let mut lines = Vec::new();
        for (option, given) in options.options() {
            let mut held: Vec<String> = Vec::new();
            for block in &self.blocks {
                let value = block.options().into_iter().find(|(name, _)| *name == option).map(|(_, value)| value);
                handoff_model::block::join(&mut held, &value.into_iter().collect::<Vec<_>>());
            }
            if !held.is_empty() && held != [given.clone()] {
                lines.push(format!("{option} {given} instead of {} (matrix {})", held.join(" and "), self.name));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use handoff_model::{Compare, Plan, Purpose};

    use super::*;
    use crate::args::Rounds;

    /// With everything refused that no strategy can do.
    fn laid_out(args: &PlanArgs) -> Plan {
        let name = args.matrix.clone().unwrap();
        args.plan(None).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn every_preset_says_what_it_answers_and_makes_a_plan() {
        for matrix in presets().unwrap() {
            assert!(matrix.answers.len() > 60 && !matrix.summary.is_empty(), "{}", matrix.name);
            let plan = laid_out(&PlanArgs { matrix: Some(matrix.name.clone()), ..PlanArgs::default() });
            assert!(!plan.trials.is_empty());
        }
    }

    #[test]
    fn every_size_of_the_spike_has_the_rounds_that_decide_all_comparisons() {
        let plan = laid_out(&PlanArgs { matrix: Some("spike".into()), ..PlanArgs::default() });
        let count = |gib: u64| plan.trials.iter().filter(|t| t.cell.size.bytes() == gib << 30).count();
        // The control is a second trial of the first one.
        let all = handoff_strategies::names().len() + 1;
        let each = plan.request.rounds as usize * all;
        assert_eq!((count(1), count(2), count(3)), (each, each, each));
        let families = handoff_analysis::declared::families(&plan.request, &plan.facts);
        assert!(families.iter().all(|f| f.decidable == f.comparisons), "{families:?}");
        assert_eq!(plan.request.matrix.as_deref(), Some("spike"));
    }

    #[test]
    fn a_preset_decides_what_it_declares_or_says_that_it_does_not() {
        for matrix in presets().unwrap() {
            let name = &matrix.name;
            let plan = laid_out(&PlanArgs { matrix: Some(name.clone()), ..PlanArgs::default() });
            let families = handoff_analysis::declared::families(&plan.request, &plan.facts);
            let word = match plan.request.purpose {
                Purpose::Decision => {
                    assert!(matrix.blocks.iter().all(|b| b.rounds == Some(Rounds::Auto)), "{name}: rounds");
                    assert!(plan.request.control && !families.is_empty(), "{name}");
                    assert!(
                        families.iter().all(|f| f.decidable == f.comparisons && f.rounds >= 6),
                        "{name}: {families:?}"
                    );
                    continue;
                }
                Purpose::Screening => "A screening: ",
                Purpose::Trend => "A trend: ",
            };
            assert!(families.is_empty() && matrix.summary.starts_with(word), "{name}: {}", matrix.summary);
            assert!(matrix.answers.contains("decide nothing"), "{name}: {}", matrix.answers);
        }
    }

    #[test]
    fn auto_of_a_block_counts_the_cells_of_its_groups_in_other_blocks_too() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.toml").display().to_string();
        let text = "sizes = '64MiB'\nrounds = 'auto'\n[[block]]\nstrategies = ['artifact', 'rebuild']\n\
                    [[block]]\nstrategies = ['cache-tar', 'gha-cache', 'local-cache', 'relay']\n[[block]]\nsizes = '96MiB'\n\
                    strategies = ['artifact', 'rebuild']\n[[block]]\nsizes = '128MiB'\nrounds = 2\n\
                    strategies = ['artifact', 'cache-tar', 'gha-cache', 'local-cache', 'relay', 'zstd-stream', 'rebuild']\n";
        std::fs::write(&file, text).unwrap();
        let args = PlanArgs { matrix: Some(file.clone()), ..PlanArgs::default() };
        let rounds = |args: &PlanArgs| laid_out(args).request.blocks.iter().map(|b| b.rounds).collect::<Vec<_>>();
        assert_eq!(rounds(&args), [8, 8, 6, 2]);
        assert_eq!(rounds(&PlanArgs { compare: Some(Compare::Pairs), ..args.clone() }), [10, 10, 6, 2]);
        assert_eq!(laid_out(&args).request.matrix, Some(file.clone()));
        let typed = PlanArgs { rounds: Some(Rounds::Auto), ..args };
        assert_eq!(rounds(&typed), [8, 8, 6, 8]);
        assert_eq!(laid_out(&typed).request.matrix, Some(format!("{file} --rounds auto")), "it stays as typed");
    }

    #[test]
    fn every_wrong_level_of_a_file_has_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.toml").display().to_string();
        for (text, line) in [
            ("seed = 1\nstrategies = ['artifact:levl=3']", 2),
            ("seed = 1\nsizes = ['big']", 2),
            ("seed = 1\nworkloads = ['typicl']", 2),
            ("seed = 1\nprofiles = ['lopback']", 2),
            ("seed = 1\nlink_rate = 'fast'", 2),
            ("seed = 1\nrequest_time = 'soon'", 2),
            ("seed = 1\nfaults = ['stal=1%']", 2),
            ("seed = 1\nengines = ['none']", 2),
            ("seed = 1\nimage_stores = ['none']", 2),
            ("seed = 1\nbuilders = ['none']", 2),
            ("seed = 1\ncache_states = ['none']", 2),
            ("seed = 1\nconsumers = [300]", 2),
            ("seed = 1\nconsumer_concurrency = 0", 2),
            ("seed = 1\ntimeout = 0", 2),
            ("seed = 1\nrounds = 0", 2),
            ("sizes = '1GiB'\n[[block]]\nconsumers = [0]", 3),
        ] {
            std::fs::write(&file, text).unwrap();
            let args = PlanArgs { matrix: Some(file.clone()), ..PlanArgs::default() };
            let error = args.plan(None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("matrix {file}: line {line}: `")), "{text}: {error}");
        }
    }

    #[test]
    fn claims_can_be_run_at_a_small_size_as_a_proof() {
        let args = |sizes: Option<&str>| PlanArgs {
            matrix: Some("claims".into()),
            sizes: sizes.map(str::to_owned),
            ..PlanArgs::default()
        };
        let (whole, small) = (laid_out(&args(None)), laid_out(&args(Some("64MiB"))));
        assert_eq!(small.trials.len(), whole.trials.len());
        assert!(small.trials.iter().all(|t| t.cell.size.bytes() == 64 << 20));
    }

    #[test]
    fn options_override_every_block_and_are_told() {
        let args = PlanArgs {
            matrix: Some("spike".into()),
            sizes: Some("64MiB".into()),
            rounds: Some(1.into()),
            strategies: Some("artifact".into()),
            ..PlanArgs::default()
        };
        let plan = laid_out(&args);
        assert_eq!(plan.trials.len(), 2, "one and its control");
        let told = load("spike").unwrap().overridden(&args);
        assert!(told.contains(&"--rounds 1 instead of auto (matrix spike)".to_owned()), "{told:?}");
        let relay = PlanArgs {
            matrix: Some("relay".into()),
            builder: Some("docker".into()),
            image_store: Some("containerd".into()),
            ..args
        };
        assert_eq!(laid_out(&relay).trials.len(), 2, "blocks that became alike are one");
    }

    #[test]
    fn names_and_paths_that_are_not_there_are_told() {
        let error = load("spik").unwrap_err().to_string();
        assert!(error.contains("did you mean `spike`?") && error.contains("TOML file"), "{error}");
        assert!(load("./none.toml").unwrap_err().to_string().contains("./none.toml"));
    }
}
