//! Both ends against a real service: what is pushed is what can be pulled, or nothing is.

mod client;
mod faults;
mod round_trip;
