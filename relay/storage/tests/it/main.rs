//! Streams against the emulated service, and through a proxy that injects faults.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod faults;
mod limits;
mod links;
mod names;
mod pipe;
mod proxies;
mod round_trip;
mod support;
mod tls;
