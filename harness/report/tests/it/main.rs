//! The report from the outside: documents, pages, charts.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not in a test function")]

mod golden;
mod kit;
mod pages;
mod spike;
