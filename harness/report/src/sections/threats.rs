//! Threats to validity.

use std::collections::BTreeSet;

use handoff_model::conditions::LOOPBACK;
use handoff_model::list::and;

use crate::block::Block;
use crate::provenance;
use crate::provenance::{Images, images};
use crate::report::Report;

/// Words of environments whose jobs had private file systems.
const PRIVATE_DISK: &str = "of its own";

pub(crate) fn blocks(report: &Report) -> Vec<Block> {
    let conditions = || report.groups.iter().map(|g| &g.conditions);
    let mut list = vec![provenance::simulated(report)];
    if conditions().any(|c| c.profile == LOOPBACK) {
        list.push(String::from("Link: loopback is faster than any network. On a real link, fewer bytes gain more, and many small requests in sequence cost more."));
    }
    let (simulated, _) = provenance::profiles(report);
    let mut shaped: Vec<String> = simulated.iter().filter(|p| **p != LOOPBACK).map(|p| format!("`{p}`")).collect();
    shaped.sort();
    if !shaped.is_empty() {
        list.push(format!(
            "Link: the figures of profile {} are published or assumed. `handoff profiles` has the source and range of each. A result that \
             depends on an assumption is no better than the assumption.",
            and(&shaped)
        ));
    }
    if simulated.is_empty() {
        list.push(String::from(
            "Hosted runners differ from each other and from day to day. A round is one run of the workflow.",
        ));
        return vec![Block::List(list)];
    }
    list.push(format!(
        "CPU: service, clients and engine share {}. The service takes time from the job, and parallel compression gains less than on \
         a larger runner.",
        provenance::cores(report)
    ));
    if conditions().any(|c| c.consumers > 1) {
        let at_once = conditions().any(|c| c.consumer_concurrency > 1);
        let sentence = if at_once {
            "Consumers: they run at once on one machine and slow each other down, unlike separate runners. Rows with more at once than half \
             the cores are marked as contended and enter no curve."
        } else {
            "Consumers: they run one after the other. They neither slow each other down nor load the service at the same time, as jobs that \
             start together would."
        };
        list.push(sentence.to_owned());
    }
    if conditions().any(|c| !c.disk_limit.is_none()) {
        list.push(String::from(
            "Disk: its limit is an assumed figure of the profile. It holds the average rate, and not the latency of a runner's disk. Under \
             cgroup v1, it does not slow down reads by processes of containers.",
        ));
    }
    let shared_disk = report.runs.iter().flat_map(|r| &r.environments).any(|e| !e.disk.contains(PRIVATE_DISK));
    if shared_disk {
        list.push(String::from("Disk: all jobs used one file system, from which the files of earlier trials had just been removed. On ext4 without a \
             journal, creating files is slow for minutes after that. Unpacking may have taken longer than on an empty runner, and \
             differences between the ways may be smaller."));
    }
    list.push("Machine: there was one, so that differences between machines are not measured.".to_owned());
    let states: BTreeSet<&str> = conditions().map(|c| c.cache_state.as_str()).collect();
    let states: Vec<&str> = states.into_iter().collect();
    list.push(format!(
        "Caches: their state is {}. The page cache is not dropped between the jobs of a trial. The service keeps uploads in memory where \
         they fit, so that a download reads no disk.",
        states.join(", ")
    ));
    if images(report) != Images::User {
        list.push(String::from("Build: it is short and synthetic, so that building again is cheap. A build of minutes favours sharing over `rebuild`."));
    }
    vec![Block::List(list)]
}
