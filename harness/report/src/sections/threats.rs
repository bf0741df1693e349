//! What could mislead: said in the report, not only in the documents.

use std::collections::BTreeSet;

use handoff_model::conditions::LOOPBACK;
use handoff_model::list::and;

use crate::block::Block;
use crate::provenance;
use crate::provenance::{Images, images};
use crate::report::Report;

/// How environments say that jobs had a file system of their own.
const PRIVATE_DISK: &str = "of its own";

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let conditions = || report.groups.iter().map(|g| &g.conditions);
    let mut list = vec![provenance::simulated(report)];
    if conditions().any(|c| c.profile == LOOPBACK) {
        list.push(String::from("The link: on loopback nothing is as slow as a network. Moving fewer bytes gains less here than on a real link, and \
             many small requests one after another cost less."));
    }
    let (simulated, _) = provenance::profiles(report);
    let mut shaped: Vec<String> = simulated.iter().filter(|p| **p != LOOPBACK).map(|p| format!("`{p}`")).collect();
    shaped.sort();
    if !shaped.is_empty() {
        list.push(format!(
            "The link: the figures of profile {} are published ones or assumptions, each with its source and its range \
             (`handoff profiles`); what depends on an assumption is no better than it.",
            and(&shaped)
        ));
    }
    let cores = report.runs.iter().flat_map(|r| &r.environments).map(|e| e.cores).min();
    if simulated.is_empty() {
        list.push(String::from(
            "Hosted runners differ from each other, and from day to day; a round is one run of the workflow.",
        ));
        return vec![Block::List(list)];
    }
    list.push(format!(
        "The CPU is shared: service, clients and engine run on the same {}, so that a service that works takes time from \
         the job, and parallel compression is worth less than on a larger runner.",
        cores.map_or("cores".to_owned(), |n| crate::format::plural(n as usize, "core", "cores"))
    ));
    if conditions().any(|c| c.consumers > 1) {
        let at_once = conditions().any(|c| c.consumer_concurrency > 1);
        let sentence = if at_once {
            "Consumers run at once on one machine: what they take from each other, runners of their own would not. Rows with \
             more at once than half the cores are marked as contended and enter no curve."
        } else {
            "The consumers of a trial run one after the other: they do not slow each other down, nor do they ask the service \
             at the same time, as jobs that start together would."
        };
        list.push(sentence.to_owned());
    }
    let shared_disk = report.runs.iter().flat_map(|r| &r.environments).any(|e| !e.disk.contains(PRIVATE_DISK));
    if shared_disk {
        list.push(String::from("The disk: the jobs' files were in folders of one file system, from which the files of earlier trials had just been \
             removed. On ext4 without a journal that slows down making files for minutes: unpacking, which every consumer does, may \
             have taken longer than on a runner that starts empty, and differences between the ways be smaller for it."));
    }
    list.push("One machine: nothing here says how much machines differ.".to_owned());
    let states: BTreeSet<&str> = conditions().map(|c| c.cache_state.as_str()).collect();
    let states: Vec<&str> = states.into_iter().collect();
    list.push(format!(
        "Cache state: {}. The engines' page cache is not dropped between the sides of a trial, and the service holds what was sent \
         in memory where it fits, so that a consumer's download reads no disk.",
        states.join(", ")
    ));
    if images(report) != Images::User {
        list.push(String::from("The build is short and synthetic, so that building again is about as cheap as it can be; a build of minutes moves every \
         comparison with `rebuild` towards sharing."));
    }
    vec![Block::List(list)]
}
