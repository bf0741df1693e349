//! Checks how the workspace is cut: no circle of files, no circle of crates, only the dependencies of [`rooms`], and the
//! picture of them in `docs/architecture.md`.
#![allow(clippy::unwrap_used, reason = "a test")]

mod circles;
mod crates;
mod files;
mod modules;
mod picture;
mod rooms;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use circles::{Graph, circles};
use crates::{linked, packages, sources};
use files::Files;
use rooms::{MODEL, ROOMS, room_of};

/// Crates with circles of files, and how many files are in them. Final state: none.
const KNOWN_CIRCLES: &[(&str, usize)] = &[];

#[test]
fn files_of_a_crate_import_each_other_without_a_circle() {
    let root = sources();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut text = String::new();
    for package in packages() {
        for file in &package.roots {
            let files = Files::read(file);
            for circle in files.circles() {
                *found.entry(package.name.clone()).or_default() += circle.len();
                let names = files.describe(&circle, &root);
                text.extend([&package.name, ":\n", &names]);
            }
        }
    }
    let known: BTreeMap<String, usize> = KNOWN_CIRCLES.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    assert!(
        found == known,
        "circles of files, with the names that make them:\n{text}known: {known:?}\nfound: {found:?}"
    );
}

#[test]
fn crates_use_each_other_without_a_circle() {
    let graph: Graph<String> = packages().into_iter().map(|p| (p.name, p.uses)).collect();
    assert_eq!(circles(&graph), Vec::<BTreeSet<String>>::new());
}

#[test]
fn crates_use_exactly_the_rooms_that_the_table_names() {
    let packages = packages();
    let present: BTreeSet<&str> = packages.iter().filter_map(|p| room_of(&p.name)).map(|r| r.name).collect();
    let mut wrong = Vec::new();
    for package in packages.iter().filter(|p| p.name.starts_with("handoff-") && p.name != "handoff-probe") {
        let Some(room) = room_of(&package.name) else {
            wrong.push(format!("{} is no room of tests/architecture/rooms.rs", package.name));
            continue;
        };
        let names = |name: &String| room_of(name).map_or(name.clone(), |r| r.name.to_owned());
        let used: BTreeSet<String> = package.uses.iter().map(names).filter(|n| n != MODEL).collect();
        let named: BTreeSet<String> =
            room.uses.iter().filter(|n| present.contains(*n)).map(|n| (*n).to_owned()).collect();
        wrong.extend(used.difference(&named).map(|n| format!("{} must not use {n}", room.name)));
        wrong.extend(
            named.difference(&used).map(|n| format!("{} uses {n} no longer: take it off the table", room.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let model = ROOMS.iter().find(|r| r.name == MODEL).unwrap();
    assert!(model.uses.is_empty());
}

/// Packages of these rooms, and of these names, that are linked into the package of a room.
fn linked_of(room: &str, rooms: &[&str], others: &[&str]) -> Vec<String> {
    let package = packages().into_iter().map(|p| p.name).find(|name| room_of(name).is_some_and(|r| r.name == room));
    let Some(package) = package else { return Vec::new() };
    let is_one = |name: &&String| {
        others.contains(&name.as_str()) || room_of(name).is_some_and(|r| r.name != room && rooms.contains(&r.name))
    };
    linked(&package).iter().filter(is_one).cloned().collect()
}

#[test]
fn report_builds_without_engine_server_docker_client_or_tokio() {
    let rooms = ["docker", "fixtures", "github", "registry", "runner", "services", "storage", "strategies"];
    let none = Vec::<String>::new();
    assert_eq!(linked_of("report", &rooms, &["bollard", "hyper", "tokio", "ureq"]), none);
}

#[test]
fn services_and_their_clients_share_no_code() {
    // A mistake that both made would cancel itself out.
    let clients = ["registry", "storage", "strategies"];
    let none = Vec::<String>::new();
    assert_eq!(linked_of("services", &clients, &[]), none);
    for client in clients {
        assert_eq!(linked_of(client, &["link", "services"], &[]), none, "{client}");
    }
}

#[test]
fn picture_of_the_rooms_is_current() {
    for room in ROOMS {
        let below = |name: &str| ROOMS.iter().any(|r| r.name == name && r.position.0 > room.position.0);
        assert!(room.uses.iter().all(|name| below(name)), "{} is not above every room that it uses", room.name);
    }
    let file = sources().join("docs/architecture.svg");
    let picture = picture::draw();
    if std::env::var("HANDOFF_GOLDEN").is_ok_and(|v| v == "write") {
        fs::write(&file, &picture).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(picture == written, "docs/architecture.svg differs; HANDOFF_GOLDEN=write rewrites it");
    let page = fs::read_to_string(sources().join("docs/architecture.md")).unwrap();
    assert!(page.contains("(architecture.svg)"), "docs/architecture.md does not embed docs/architecture.svg");
}
