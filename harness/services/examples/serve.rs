//! The service under the control protocol, for tests and benchmarks: `serve STORE_DIR [BIND]`.

use std::io;

use handoff_services::{ServiceConfig, ServiceError, control};

fn main() -> Result<(), ServiceError> {
    let mut arguments = std::env::args().skip(1);
    let mut config = ServiceConfig::default();
    if let Some(store_dir) = arguments.next() {
        config.store_dir = store_dir.into();
    }
    if let Some(bind) = arguments.next().and_then(|bind| bind.parse().ok()) {
        config.bind = bind;
    }
    control::serve(io::stdin().lock(), io::stdout().lock(), config)
}
