//! HTTP/1.1 server on blocking sockets, with one thread per connection.
//!
//! There is no framework, because blob bytes must cost little CPU: the service shares the machine with the measured jobs. A
//! connection with its own thread sends from the page cache (`sendfile`), receives blocks in a few large reads, and is
//! shaped by sleeping.

mod connection;
mod exchange;
mod head;
mod listener;
pub(crate) mod percent;
mod query;
mod reply;

pub(crate) use exchange::{Exchange, FileBody};
pub(crate) use listener::{Listener, reachable};
pub(crate) use query::Query;
pub(crate) use reply::Reply;
