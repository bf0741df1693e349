//! HTTP/1.1 on blocking sockets, one thread a connection.
//!
//! Why not a framework: blob bytes must cost little, because the service shares the machine with what it measures. A
//! thread of its own lets a connection send straight from the page cache (`sendfile`) and take blocks with a few large
//! reads, and lets a link slow it down by sleeping.

mod connection;
mod exchange;
mod head;
mod listener;
pub(crate) mod percent;
mod query;
mod reply;

pub(crate) use exchange::Exchange;
pub(crate) use listener::Listener;
pub(crate) use query::Query;
pub(crate) use reply::Reply;
