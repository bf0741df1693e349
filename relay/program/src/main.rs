//! Entry of `handoff-relay`.

fn main() {}
