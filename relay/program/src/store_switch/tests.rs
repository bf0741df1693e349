//! Tests of the steps on a folder and a scripted daemon: what a kill, a failure or a user's edit leaves.

mod config;
mod fake;
mod killed;
mod steps;
