//! Both ends against a real service: what is pushed is what can be pulled, or nothing is.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must stop")]

mod client;
mod faults;
mod round_trip;
