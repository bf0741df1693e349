//! Streams against the real service, and against a proxy that spoils its answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod faults;
mod pipe;
mod round_trip;
mod support;
mod tls;
