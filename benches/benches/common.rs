//! Runs workloads under criterion, each in every engine, and prints what one operation costs.
//!
//! Pass `--test` for a smoke test: tiny sizes, each workload once.

use criterion::{BenchmarkId, Criterion, Throughput};
use ion_benches::{Prepared, Scale, Workload};
use ion_runtime::system::Engine;
use std::time::Duration;

const ENGINES: [(&str, Engine); 2] = [("interp", Engine::Interp), ("jit", Engine::Jit)];

/// Benches these workloads. Times are processor times: other programs on the machine do not count.
pub fn bench(criterion: &mut Criterion, names: &[&str]) {
    let smoke = std::env::args().any(|arg| arg == "--test");
    let scale = if smoke { Scale::Smoke } else { Scale::Bench };
    for name in names {
        let workload = Workload::find(name).unwrap_or_else(|| panic!("no workload '{name}'"));
        bench_one(criterion, workload, scale);
    }
}

fn bench_one(criterion: &mut Criterion, workload: &Workload, scale: Scale) {
    let sizes = workload.sizes_at(scale);
    let parameters = workload.describe(&sizes);
    let mut group = criterion.benchmark_group(workload.name);
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(200));
    group.measurement_time(Duration::from_millis(800));
    for (engine_name, engine) in ENGINES {
        let prepared =
            Prepared::new(workload, &sizes, engine).unwrap_or_else(|error| panic!("{error}"));
        let run = || prepared.run().unwrap_or_else(|error| panic!("{}: {error}", workload.name));
        let operations = (workload.operations)(&sizes, run().result);
        group.throughput(Throughput::Elements(operations as u64));
        let mut best = f64::INFINITY;
        group.bench_function(BenchmarkId::new(engine_name, &parameters), |bencher| {
            bencher.iter_custom(|rounds| {
                let times = (0..rounds).map(|_| run().cpu);
                times.inspect(|time| best = best.min(time.as_nanos() as f64)).sum()
            });
        });
        let compile = prepared.compile.as_micros();
        println!(
            "{}/{engine_name}: {:.2} ns per {} at best; {parameters}; compiled in {compile} µs",
            workload.name,
            best / operations,
            workload.operation,
        );
    }
    group.finish();
}
