//! Inputs that the tests and the fuzzer share.

pub mod mutate;
