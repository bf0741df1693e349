//! The program against a real service, without an engine: `docker` is a script that notes how it was called.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must stop")]

mod lab;
mod options;
mod receive;
