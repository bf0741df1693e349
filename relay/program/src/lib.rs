//! `handoff-relay`: sends an image from one job's engine and receives it in another's.
//!
//! `handoff send` and `handoff receive` run the same code.

pub mod store_switch;
