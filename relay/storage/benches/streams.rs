//! What cutting a stream into blocks, putting ranges in order and giving out lanes cost, apart from any network.

use std::hint::black_box;
use std::io::Read as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handoff_storage::{AdaptiveConcurrency, BufferPool, InOrder};

fn cutting(c: &mut Criterion) {
    const BYTES: u64 = 64 << 20;
    let mut group = c.benchmark_group("cut");
    group.throughput(Throughput::Bytes(BYTES));
    group.bench_function("8 MiB blocks", |b| {
        let pool = BufferPool::new(3, 8 << 20);
        b.iter(|| {
            let mut reader = std::io::repeat(7).take(BYTES);
            loop {
                let mut block = pool.take().expect("the pool is open");
                if block.fill(&mut reader).expect("memory can be read") == 0 {
                    break;
                }
                black_box(block.freeze());
            }
        });
    });
    group.finish();
}

fn ordering(c: &mut Criterion) {
    const PARTS: u64 = 1024;
    let mut group = c.benchmark_group("in order");
    group.throughput(Throughput::Elements(PARTS));
    group.bench_function("parts that arrive backwards in windows of 16", |b| {
        b.iter(|| {
            let mut parts = InOrder::new(16);
            for window in (0..PARTS).step_by(16) {
                for index in (window..window + 16).rev() {
                    parts.put(index, index).expect("it is awaited");
                }
                while let Some(part) = parts.pop() {
                    black_box(part);
                }
            }
        });
    });
    group.finish();
}

fn scheduling(c: &mut Criterion) {
    const REQUESTS: u64 = 1024;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let mut group = c.benchmark_group("lanes");
    group.throughput(Throughput::Elements(REQUESTS));
    for (name, fixed) in [("fixed", Some(8)), ("found out", None)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let lanes = AdaptiveConcurrency::new(fixed, 32);
                    for _ in 0..REQUESTS {
                        lanes.take().await.moved(black_box(4 << 20));
                    }
                    lanes.count()
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, cutting, ordering, scheduling);
criterion_main!(benches);
