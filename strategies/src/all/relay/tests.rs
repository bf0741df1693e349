//! Arguments made from options and conditions, and what a report means.

use std::path::PathBuf;

use handoff_docker::DaemonRestart;
use handoff_model::Sources;

use super::program::{explained, imported};
use super::*;
use crate::Options;
use crate::clients::ClientReport;

fn relay(options: &str) -> Relay {
    let spec: handoff_model::StrategySpec = format!("relay{options}").parse().unwrap();
    let values = crate::find(&spec).unwrap().values();
    let mut relay = Relay::DEFAULT;
    relay.store = crate::options::named(&values["store"]).unwrap();
    relay.compression = crate::options::named(&values["compression"]).unwrap();
    relay.encoding = crate::options::named(&values["encoding"]).unwrap();
    relay.import = crate::options::named(&values["import"]).unwrap();
    relay.source = crate::options::named(&values["source"]).unwrap();
    relay.store_switch = values["store-switch"] == "true";
    (relay.level, relay.part) = (values["level"].parse().unwrap(), values["part"].parse().unwrap());
    relay.connections = values["connections"].parse().unwrap();
    relay
}

fn conditions(image_store: ImageStore, engine: EngineKind) -> Conditions {
    Conditions { image_store, engine, ..Conditions::default() }
}

fn sources() -> Sources {
    let build_args = vec!["A=1".to_owned(), "B=two words".to_owned()];
    Sources {
        context: "/src".into(),
        dockerfile: Some("/src/Other".into()),
        build_args,
        network: true,
        ..Sources::default()
    }
}

#[test]
fn built_image_is_sent_with_every_option_of_its_build() {
    let sources = sources();
    let sent = Sent { image: "a:1", name: "n", build: Some((&sources, Some("b"))), earlier: Some("n-") };
    let args = relay(":store=cache,level=3,connections=9,part=2").send(&sent).unwrap().join(" ");
    let expected = "send a:1 --name n --store cache --part 2 --connections 9 --context /src --compression zstd --level 3 \
                    --file /src/Other --build-arg A=1 --build-arg B=two words --builder b --network host --earlier n-";
    assert_eq!(args, expected);
    let args = relay(":compression=uncompressed,encoding=zstd").send(&sent).unwrap().join(" ");
    assert!(args.contains("--compression uncompressed --file") && args.contains("--encoding zstd"), "{args}");
    assert!(!args.contains("--earlier"), "an artifact is of one run: {args}");
}

#[test]
fn image_of_the_engine_is_sent_without_options_of_a_build() {
    let sent = Sent { image: "a:1", name: "n", build: None, earlier: None };
    let args = relay("").send(&sent).unwrap().join(" ");
    assert_eq!(args, "send a:1 --name n --store artifact --part 4");
}

#[test]
fn receiver_gets_the_sender_s_digest_and_the_restart_of_its_engine() {
    let plain = relay("").receive("n", Some("sha256:1"), Import::Require, None).unwrap().join(" ");
    assert_eq!(plain, "receive --name n --store artifact --part 4 --import require --digest sha256:1");
    let restart = DaemonRestart { config: PathBuf::from("/e/daemon.json"), command: PathBuf::from("/e/restart") };
    let switch = relay(":store-switch=true");
    let args = switch.receive("n", None, Import::Require, Some(&restart)).unwrap().join(" ");
    assert!(
        args.ends_with("--store-switch=force --daemon-config /e/daemon.json --restart-command /e/restart"),
        "{args}"
    );
    let error = switch.receive("n", None, Import::Require, None).unwrap_err().error;
    assert!(error.contains("leave store-switch out"), "{error}");
}

#[test]
fn way_into_the_engine_follows_store_and_engine() {
    use {
        EngineKind::{Container, Host, Private},
        ImageStore::{Containerd, Overlay2},
    };
    for (options, store, engine, way) in [
        ("", Containerd, Private, "require"),
        ("", Overlay2, Private, "never"),
        ("", Containerd, Container, "auto"),
        ("", Containerd, Host, "auto"),
        ("", Overlay2, Host, "never"),
        (":store-switch=true", Overlay2, Private, "require"),
        (":import=never", Containerd, Private, "never"),
        (":import=auto", Containerd, Private, "require"),
    ] {
        let spec = format!("relay{options}").parse().unwrap();
        let resolved = crate::find(&spec).unwrap().resolved(&conditions(store, engine)).values();
        assert_eq!(resolved["import"], way, "relay{options} with {store} and {engine}");
        assert_eq!(relay(options).way(&conditions(store, engine)).as_str(), way);
    }
}

#[test]
fn store_switch_is_refused_where_it_would_change_nothing_or_the_user_s_engine() {
    use {
        EngineKind::{Container, Host, Private},
        ImageStore::{Containerd, Overlay2},
    };
    let refused = |options: &str, store, engine| relay(options).refuses(&conditions(store, engine));
    assert_eq!(refused(":store-switch=true", Overlay2, Private), None);
    assert!(refused(":store-switch=true", Containerd, Private).unwrap().contains("leave it out"));
    for engine in [Host, Container] {
        assert!(refused(":store-switch=true", Overlay2, engine).unwrap().contains("use --engine private"), "{engine}");
    }
    assert!(refused(":store-switch=true,import=never", Overlay2, Private).unwrap().contains("leave import=never out"));
    assert!(refused(":import=require", Overlay2, Private).unwrap().contains("add store-switch=true"));
    assert_eq!(refused(":import=require", Containerd, Private), None);
}

#[test]
fn encoding_of_layers_that_are_compressed_already_is_refused() {
    let containerd = conditions(ImageStore::Containerd, EngineKind::Private);
    let refused = |options: &str| relay(options).refuses(&containerd);
    assert!(refused(":encoding=zstd").unwrap().contains("add compression=uncompressed"));
    assert_eq!(refused(":encoding=zstd,compression=uncompressed"), None);
    let push = refused(":encoding=zstd,compression=uncompressed,source=push").unwrap();
    assert!(push.contains("`docker push` compresses"), "{push}");
}

#[test]
fn failed_build_is_named_first_and_a_broken_sender_before_it() {
    let of = |reason: &str| explained(SpanKind::Build, "relay-send", reason);
    let build = of("the build failed: [2/2] RUN false: exit code: 1");
    assert_eq!((build.span.as_str(), build.error.as_str()), ("build", "build: [2/2] RUN false: exit code: 1"));
    let base = of("the build failed: me/base:1: failed to resolve source metadata for docker.io/me/base:1: not found");
    assert!(base.error.contains("see neither images nor credentials"), "{base}");
    let sender = of("the token is revoked; the build failed: failed to push");
    assert_eq!(sender.error, "relay-send: the token is revoked; the build failed: failed to push");
}

#[test]
fn pull_in_place_of_a_required_import_fails() {
    let report = |import: &str, reason: Option<&str>| ClientReport {
        import: Some(import.to_owned()),
        import_reason: reason.map(str::to_owned),
        ..ClientReport::default()
    };
    assert!(imported(Import::Require, &report("import", None)).is_ok());
    assert!(
        imported(Import::Never, &report("pull", None)).is_ok() && imported(Import::Auto, &report("pull", None)).is_ok()
    );
    let failure = imported(Import::Require, &report("pull", Some("containerd 1.6 is too old"))).unwrap_err();
    assert!(failure.error.contains("the engine pulled the image: containerd 1.6 is too old"), "{failure}");
    assert!(imported(Import::Require, &ClientReport::default()).is_err(), "a report without the way proves nothing");
}

#[test]
fn report_of_the_program_is_read_with_older_reports_beside_it() {
    let json = r#"{"client":{"name":"handoff-relay","version":"0.1.0"},"spans":[],"steps":{"executed":3,"cached":1},
        "images":[{"image":"a:1","digest":"sha256:1"}],"import":"import","import_reason":null,"store_switched":true,"sent":false}"#;
    let report: ClientReport = serde_json::from_str(json).unwrap();
    assert_eq!(report.steps.map(|s| (s.executed, s.cached)), Some((3, 1)));
    assert_eq!((report.images[0].digest.as_str(), report.import.as_deref()), ("sha256:1", Some("import")));
    let older: ClientReport = serde_json::from_str(r#"{"client":{"name":"x","version":"1"},"spans":[]}"#).unwrap();
    assert!(older.images.is_empty() && older.import.is_none() && older.steps.is_none() && !older.sent);
}

#[test]
fn workflow_of_a_measured_import_falls_back_to_the_pull() {
    let input = |options: &str| relay(options).values()["import-input"].clone();
    assert_eq!(["", ":import=require", ":import=never"].map(input), ["auto", "auto", "never"]);
}

#[test]
fn default_level_is_that_of_the_program() {
    assert_eq!(Relay::DEFAULT.level, handoff_build::PUSH_LEVEL);
}
