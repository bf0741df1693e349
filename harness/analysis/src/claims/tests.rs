use super::*;

fn of(id: &str) -> Claim {
    Claims::spike().unwrap().claims.into_iter().find(|c| c.id == id).unwrap()
}

#[test]
fn shipped_claims_cover_the_five_options_and_every_cell_of_the_table() {
    let claims = Claims::spike().unwrap();
    let names: Vec<&str> = claims.approaches.iter().map(|a| a.strategy.as_str()).collect();
    assert_eq!(names, ["artifact", "cache-tar", "gha-cache", "local-cache", "zstd-stream"]);
    let column = |cell| -> Vec<&str> { names.iter().map(|n| claims.cell(n, cell).unwrap().claimed.as_str()).collect() };
    assert_eq!(column(TableCell::Transfer), ["2-8 min", "1-5 min", "10-60s rebuild", "1-4 min", "30s-2min"]);
    assert_eq!(column(TableCell::Complexity), ["Low", "Low", "Low", "Medium", "Medium"]);
    assert_eq!(
        column(TableCell::CacheLimit),
        ["artifact quota", "10GB/repo", "10GB/repo", "10GB/repo", "artifact quota"]
    );
    assert_eq!(column(TableCell::ByteIdentical), ["yes", "yes", "no (rebuild)", "no (rebuild)", "yes"]);
    assert!(claims.source.url.ends_with("/2347") && claims.approach("rebuild").is_none());
    let beyond = claims.claims.iter().filter(|c| c.cell.is_none()).count();
    assert!(beyond >= 20, "{beyond} statements beyond the table");
}

#[test]
fn rebuild_of_option_3_is_judged_by_the_consumers_time() {
    for id in ["gha-cache-rebuild", "gha-cache-seconds"] {
        assert!(matches!(of(id).rule, Rule::Time { quantity: Quantity::Consume, high_s: 60.0, .. }), "{id}");
    }
}

#[test]
fn level_0_is_judged_by_two_percent_of_the_upload_time_of_level_6() {
    let Rule::Ratio { of, to, quantity: Quantity::Upload, low: Some(low), high: Some(high), .. } =
        of("artifact-level").rule
    else {
        panic!("not a ratio of uploads")
    };
    assert_eq!((of.to_string().as_str(), to.to_string().as_str()), ("artifact", "artifact:level=6"));
    assert!(low < 0.02 && 0.02 < high);
}

#[test]
fn measurable_claims_are_not_out_of_reach() {
    let measured = [
        "artifact-level",
        "cache-tar-restore",
        "cache-tar-persists",
        "gha-cache-seconds",
        "gha-cache-mode-max",
        "gha-cache-scope",
        "local-cache-throttling",
        "local-cache-large",
        "local-cache-move",
        "zstd-stream-upload",
        "zstd-stream-download",
        "zstd-stream-disk",
    ];
    for id in measured {
        let is_measured = !matches!(of(id).rule, Rule::Documented { .. } | Rule::OutOfReach { .. });
        assert!(of(id).preset.is_some() && is_measured, "{id}");
    }
    assert!(matches!(of("gha-cache-versions").rule, Rule::Documented { confirms: true, .. }));
}

#[test]
fn invalid_claims_file_is_refused_with_the_claim() {
    let error = |from: &str, to: &str| {
        assert!(TEXT.contains(from), "{from}");
        Claims::parse(&TEXT.replacen(from, to, 1)).unwrap_err().to_string()
    };
    assert!(error("cell = \"complexity\"", "cel = \"complexity\"").contains("cel"));
    assert!(error("high_s = 480", "high_s = 4").contains("claim `artifact-transfer`: its lower bound"));
    assert!(error("at_least = 1, at_most = 1", "at_least = 2, at_most = 1").contains("its lower bound"));
    assert!(error("id = \"artifact-level\"", "id = \"artifact-transfer\"").contains("the id is used twice"));
    assert!(error("option = 3\nplace", "option = 9\nplace").contains("no [[approach]]"));
    assert!(error("cell = \"cache_limit\"", "cell = \"transfer\"").contains("claimed twice"));
    assert!(error("kind = \"ratio\"", "kind = \"ration\"").contains("ration"));
    assert!(error("quantity = \"upload\"", "quantity = \"uplaod\"").contains("uplaod"));
    assert!(error("high_s = 480 }", "high_s = 480, hihg = 1 }").contains("hihg"));
    assert!(error("sizes = \"claimed\"", "size = \"claimed\"").contains("size"));
    assert!(!error("[source]", "[source").contains('\n'));
}

#[test]
fn variant_is_named_only_with_options_that_spell_out_the_recipe() {
    let named = |rule: &str, row: &str| is_named(&rule.parse().unwrap(), &row.parse().unwrap());
    assert!(named("artifact", "artifact") && named("artifact", "artifact:source=save,action=v4"));
    assert!(named("zstd-stream", "zstd-stream:client=lhotari,dir=out/lhotari"));
    assert!(!named("artifact", "artifact:level=6") && named("artifact:level=6", "artifact:level=6"));
    assert!(
        !named("gha-cache:images=2", "gha-cache:images=2,scope=shared") && !named("gha-cache", "gha-cache:images=2")
    );
    assert!(named("gha-cache", "gha-cache:mode=max") && !named("gha-cache", "local-cache"));
    assert!(!named("artifact:source=save", "artifact") && !named("zstd-stream", "zstd-stream:dir=x"));
}
