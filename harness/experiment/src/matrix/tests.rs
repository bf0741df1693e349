//! Tests of the reader.

use handoff_model::{Compare, Purpose};
use proptest::prelude::*;

use super::*;
use crate::rounds::Rounds;

fn refused(text: &str) -> String {
    let error = Matrix::read("mine.toml", text).unwrap_err().to_string();
    assert!(error.starts_with("matrix mine.toml: line ") && !error.contains('\n'), "{error}");
    error
}

#[test]
fn invalid_matrix_is_refused_with_line_and_nearest_key() {
    for (text, expected) in [
        ("sizes = ['1GiB']\nstratgies = ['artifact']", "line 2: unknown key `stratgies`: did you mean `strategies`?"),
        ("[[block]]\n\nround = 3", "line 3: unknown key `round`: did you mean `rounds`?"),
        ("[[block]]\nseed = 3", "line 2: `seed` holds for the whole run"),
        ("[[exclude]]\nimage_stor = 'overlay2'", "line 2: unknown key `image_stor`: did you mean `image_store`?"),
        ("[[exclude]]\nimage_store = 'overlay'", "line 2: `image_store`: unknown image store `overlay`"),
        ("[[exclude]]\nsize = 'big'", "line 2: `size`"),
        ("seed = 1\n[[exclude]]", "line 2: a rule names no factor"),
        ("sizes = 1", "line 1: `sizes`: invalid type: integer `1`, expected a string"),
        ("sizes = [\n'1GiB',\n2]", "line 3: `sizes`: invalid type: integer `2`, expected a string"),
        ("sizes = []", "is empty"),
        ("sizes = ['1GiB', '1024MiB']", "`sizes`: 1GiB is named twice"),
        ("sizes = {}", "expected one level or a list of levels"),
        ("rounds = -1", "line 1: `rounds`: -1 is out of range"),
        ("rounds = 99999999999", "line 1: `rounds`: 99999999999 is out of range: use 1 to 1000, or auto"),
        ("\nrounds = 2000", "line 2: `rounds`: 2000 is out of range"),
        (
            "seed = 1\nrounds = 'soon'",
            "line 2: `rounds`: invalid value: string \"soon\", expected a whole number from 1 on, or \"auto\"",
        ),
        (
            "[[block]]\nrounds = ['auto']",
            "line 2: `rounds`: invalid type: sequence, expected a whole number from 1 on, or \"auto\"",
        ),
        ("\ncompare = 'pair'", "line 2: `compare`: unknown comparison `pair`: did you mean `pairs`?"),
        ("purpose = 'screen'", "line 1: `purpose`: unknown purpose `screen`: did you mean `screening`?"),
        ("purpose = true", "line 1: `purpose`: invalid type: boolean `true`, expected a string"),
        ("[[block]]\ncompare = 'pairs'", "line 2: `compare` holds for the whole run"),
        ("control = 1", "`control`: invalid type: integer `1`, expected a boolean"),
        ("summary = 1", "line 1: `summary` is a text"),
        ("consumers = ['4']", "`consumers`: invalid type: string \"4\", expected i64"),
        ("block = 3", "write [[block]]"),
        ("\n\nsizes = ", "line 3: "),
    ] {
        let error = refused(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn block_inherits_top_level_factors_and_overrides_them() {
    let text = "sizes = '1GiB'\nrounds = 8\nconsumers = [4, 11]\nprofiles = ['github-hosted:request_ms=2ms,@low', 'loopback']\n\
                faults = 'stall=1%'\ncontrol = true\ntimeout = 7_200\n[[block]]\n[[block]]\nsizes = ['2GiB', '3GiB']\nrounds = 2\n\
                [[exclude]]\nstrategy = ['gha-cache', 'artifact:level=6']\nbuilder = 'docker'\nconsumers = [4]\n";
    let matrix = Matrix::read("mine.toml", text).unwrap();
    let of = |at: usize| matrix.blocks[at].given().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let both = "--profile github-hosted:request_ms=2ms,@low,loopback --fault stall=1% --consumers 4,11";
    assert_eq!(of(0), format!("--sizes 1GiB --rounds 8 {both}"));
    assert_eq!(of(1), format!("--sizes 2GiB,3GiB --rounds 2 {both}"));
    assert_eq!((matrix.whole.control, matrix.whole.timeout.map(u64::from)), (Some(true), Some(7_200)));
    assert_eq!((matrix.blocks.len(), matrix.exclude.len()), (2, 1));
}

#[test]
fn rounds_comparisons_and_purpose_are_read() {
    let text = "compare = 'pairs'\npurpose = 'trend'\nrounds = 'auto'\n[[block]]\n[[block]]\nrounds = 0x0c\n";
    let matrix = Matrix::read("mine.toml", text).unwrap();
    assert_eq!((matrix.whole.compare, matrix.whole.purpose), (Some(Compare::Pairs), Some(Purpose::Trend)));
    assert_eq!([matrix.blocks[0].rounds, matrix.blocks[1].rounds], [Some(Rounds::Auto), Some(Rounds::Count(12))]);
}

proptest! {
    #[test]
    fn reading_any_text_never_panics(text in "([a-z_]{1,10} ?= ?[0-9a-z'\\[\\], ]{0,12}\n|\\[\\[(block|exclude)\\]\\]\n|.{0,20}\n){0,8}") {
        if let Err(error) = Matrix::read("any.toml", &text) {
            let error = error.to_string();
            prop_assert!(error.starts_with("matrix any.toml: line "), "{error}");
        }
    }
}
