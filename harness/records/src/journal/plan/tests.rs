//! Plans of this version, of newer ones, and with typos.

use handoff_model::block::{Block, Exclusion};
use handoff_model::conditions::{Builder, CacheState, Conditions, EngineKind, ImageStore};
use handoff_model::plan::{PlanRequest, SCHEMA_MINOR};
use handoff_model::size::ByteSize;
use handoff_model::strategy::{Marker, Storage, StrategySpec, VariantFacts, look};
use handoff_model::user_image::{BuildArg, UserImage};
use handoff_model::{Compare, DiskLimit, EngineVersion, Purpose};
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

fn read(bytes: &[u8]) -> Result<ReadPlan> {
    super::read(Path::new("plan.json"), bytes, || "its writer".to_owned())
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé\"\\\\ ]{1,6}"
}

fn conditions() -> impl Strategy<Value = Vec<Conditions>> {
    let versions = (prop_oneof![Just(EngineVersion::Installed), (28..31u32).prop_map(EngineVersion::Major)], 0..2u64);
    let limit = (prop::option::of(1u64..1 << 40), prop::option::of(1u64..1 << 40));
    let one = (0..3usize, 0..2usize, 0..2usize, text(), 0..4usize, 1..12u32, 1..4u32, (versions, limit));
    prop::collection::vec(one, 1..3).prop_map(|all| {
        all.into_iter()
            .map(|(engine, store, builder, profile, cache, consumers, consumer_concurrency, newest)| {
                let ((engine_version, pull), (write, read)) = newest;
                Conditions {
                    engine: [EngineKind::Private, EngineKind::Container, EngineKind::Host][engine],
                    image_store: [ImageStore::Containerd, ImageStore::Overlay2][store],
                    builder: [Builder::Docker, Builder::DockerContainer][builder],
                    profile,
                    cache_state: [CacheState::Cold, CacheState::Warm, CacheState::OneLayer, CacheState::BaseLayer]
                        [cache],
                    consumers,
                    consumer_concurrency,
                    engine_version,
                    builder_pull_ms: pull * 4_700,
                    disk_limit: DiskLimit { write, read },
                }
            })
            .collect()
    })
}

fn strategies() -> impl Strategy<Value = Vec<StrategySpec>> {
    let all = ["artifact", "artifact:level=6", "cache-tar", "gha-cache:mode=max", "rebuild"];
    subsequence(all.to_vec(), 1..=all.len()).prop_map(|names| names.iter().map(|n| n.parse().unwrap()).collect())
}

prop_compose! {
    fn block()(
        sizes in prop::collection::vec(1u64..1 << 40, 1..3),
        strategies in strategies(),
        workloads in prop::collection::vec(text(), 1..3),
        rounds in 1u32..3,
        conditions in conditions(),
    ) -> Block {
        Block { sizes: sizes.into_iter().map(ByteSize).collect(), strategies, workloads, rounds, conditions }
    }
}

fn exclusion() -> impl Strategy<Value = Exclusion> {
    (strategies(), prop::option::of(text()), any::<bool>()).prop_map(|(strategy, profile, builder)| Exclusion {
        strategy,
        size: vec![ByteSize(1 << 41)],
        workload: vec!["none".to_owned()],
        conditions: profile
            .map(|p| ("profile".to_owned(), vec![p]))
            .into_iter()
            .chain(builder.then(|| ("builder".to_owned(), vec!["docker".to_owned()])))
            .collect(),
    })
}

fn build_arg() -> impl Strategy<Value = BuildArg> {
    prop_oneof![
        text().prop_map(BuildArg::Plain),
        (text(), text()).prop_map(|(name, sha256)| BuildArg::Named { name, sha256, value: None }),
    ]
}

fn user_image() -> impl Strategy<Value = UserImage> {
    prop_oneof![
        (text(), prop::option::of(text()), prop::collection::vec(build_arg(), 0..3)).prop_map(
            |(dir, file, build_args)| UserImage::Context {
                dir: dir.into(),
                dockerfile: file.map(Into::into),
                build_args
            }
        ),
        (text(), text(), prop::option::of(any::<u64>()), any::<bool>()).prop_map(|(name, id, bytes, known)| {
            UserImage::Image { name, id, bytes, store: known.then_some(ImageStore::Overlay2) }
        }),
    ]
}

prop_compose! {
    fn request()(
        part in block(),
        blocks in prop::collection::vec(block(), 0..3),
        exclude in prop::collection::vec(exclusion(), 0..3),
        matrix in prop::option::of(text()),
        user_image in prop::option::of(user_image()),
        control: bool,
        timeout_s: u64,
        seed: u64,
        run_id in text(),
        pairs: bool,
        purpose in 0..3usize,
    ) -> PlanRequest {
        let Block { sizes, strategies, workloads, rounds, conditions } = part;
        PlanRequest {
            sizes, strategies, workloads, rounds, conditions, control, timeout_s, seed, run_id, blocks, exclude, matrix, user_image,
            compare: if pairs { Compare::Pairs } else { Compare::Reference },
            purpose: [Purpose::Decision, Purpose::Screening, Purpose::Trend][purpose],
        }
    }
}

/// Puts a field of another version into every object of a plan. The one object that is left alone is the own image's tag: its name
/// is a value, and a new kind of image is a new major version.
fn add_fields(value: &mut Value, at: &str, added: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let is_tag = at == "request.own." && ["context", "image"].iter().any(|tag| fields.contains_key(*tag));
            for (name, field) in fields.iter_mut() {
                // A field below the tag is named without it.
                let inside = if is_tag { at.to_owned() } else { format!("{at}{name}.") };
                add_fields(field, &inside, added);
            }
            if !is_tag {
                added.push(format!("{at}weather"));
                fields.insert("weather".to_owned(), serde_json::json!({"wind": [1, {"gusts": null}]}));
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                add_fields(item, &format!("{at}{i}."), added);
            }
        }
        _ => {}
    }
}

/// The same plan as a newer minor version would write it.
fn newer(plan: &Plan) -> (Value, Vec<String>) {
    let (mut value, mut added) = (serde_json::to_value(plan).unwrap(), Vec::new());
    add_fields(&mut value, "", &mut added);
    value["schema_minor"] = (SCHEMA_MINOR + 1).into();
    value["hash"] = digest(&(&value["request"], &value["trials"])).unwrap().into();
    (value, added)
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap()
}

fn small() -> Plan {
    Plan::new(PlanRequest {
        rounds: 1,
        exclude: vec![Exclusion { workload: vec!["none".to_owned()], ..Exclusion::default() }],
        user_image: Some(UserImage::Image {
            name: "me/app:1".to_owned(),
            id: "sha256:0".to_owned(),
            bytes: None,
            store: None,
        }),
        ..PlanRequest::of(vec![StrategySpec::plain("artifact")])
    })
    .unwrap()
}

fn facts() -> VariantFacts {
    VariantFacts {
        strategy: StrategySpec::plain("artifact"),
        storage: Storage::Artifact,
        moves_image: true,
        has_producer: true,
        ours: false,
        colour: look::BLUE,
        marker: Marker::Circle,
    }
}

#[test]
fn facts_round_trip_and_do_not_alter_the_plan_hash() {
    let plan = Plan { facts: vec![facts()], ..small() };
    let mut value = serde_json::to_value(&plan).unwrap();
    assert_eq!(read(&bytes(&value)).unwrap().plan, plan);
    value["facts"][0]["colour"] = "#000000".into();
    assert_eq!(read(&bytes(&value)).unwrap().plan.facts[0].colour, look::BLACK);
    assert!(serde_json::to_value(small()).unwrap().get("facts").is_none(), "left out where there are none");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn newer_minor_plan_keeps_every_known_field(request in request()) {
        // Two blocks that share a cell make no plan.
        let Ok(plan) = Plan::new(request) else { return Ok(()) };
        let stored = bytes(&serde_json::to_value(&plan).unwrap());
        prop_assert_eq!(&read(&stored).unwrap(), &ReadPlan { plan: plan.clone(), unknown: Vec::new() });

        let (value, mut added) = newer(&plan);
        let read_plan = read(&bytes(&value)).unwrap();
        prop_assert!(read_plan.is_newer());
        let mut unknown = read_plan.unknown;
        unknown.sort();
        added.sort();
        prop_assert_eq!(unknown, added);
        prop_assert_eq!(&read_plan.plan.request, &plan.request);
        prop_assert_eq!(&read_plan.plan.trials, &plan.trials);
    }
}

#[test]
fn unknown_field_of_the_same_version_is_an_error_at_every_level() {
    let mut plan = serde_json::to_value(small()).unwrap();
    let mut added = Vec::new();
    add_fields(&mut plan, "", &mut added);
    assert_eq!(added.len(), 8, "{added:?}");
    let JournalError::UnknownFields { fields: mut found, .. } = read(&bytes(&plan)).unwrap_err() else {
        panic!("unknown fields are refused")
    };
    found.sort();
    added.sort();
    assert_eq!(found, added);
}

#[test]
fn altered_newer_plan_is_refused_for_known_and_unknown_fields() {
    let (value, _) = newer(&small());
    assert!(read(&bytes(&value)).is_ok());
    for (pointer, other) in [
        ("/request/seed", Value::from(8)),
        ("/trials/0/nonce", "0".into()),
        ("/request/weather", Value::Null),
        ("/trials/0/cell/weather/wind/0", 2.into()),
        ("/hash", "0".into()),
    ] {
        let mut altered = value.clone();
        *altered.pointer_mut(pointer).unwrap() = other;
        assert!(matches!(read(&bytes(&altered)), Err(JournalError::Altered(_))), "{pointer}");
    }
}

#[test]
fn plan_without_a_minor_version_is_of_version_0_and_another_major_version_is_refused() {
    let mut value = serde_json::to_value(small()).unwrap();
    value.as_object_mut().unwrap().shift_remove("schema_minor");
    assert_eq!(read(&bytes(&value)).unwrap().plan, Plan { schema_minor: 0, ..small() });
    for found in [0, 2] {
        value["schema_version"] = found.into();
        assert!(matches!(read(&bytes(&value)), Err(JournalError::Version { found: f, .. }) if f == found));
    }
    let error = read(b"{\n}").unwrap_err().to_string();
    assert!(error.starts_with("plan.json:2: missing field `schema_version` at line 2 column 1: "), "{error}");
}
