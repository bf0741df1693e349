//! Sender and receiver against a real service.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must stop")]

mod client;
mod faults;
mod round_trip;
mod streams;
