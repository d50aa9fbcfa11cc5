//! See `overshoot.ionasm`.

use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let mut random = 42u64;
    let mut kept = Vec::new();
    for _ in 0..n {
        random = random * 16807 % 2_147_483_647;
        let time = Duration::from_millis(random * 1000 / 2_147_483_647);
        let to_main = to_main.clone();
        let (to_sleeper, mut mailbox) = unbounded_channel::<u64>();
        kept.push(to_sleeper);
        tokio::spawn(async move {
            let started = Instant::now();
            if timeout(time, mailbox.recv()).await.is_err() {
                _ = to_main.send(started.elapsed().saturating_sub(time).as_nanos());
            }
        });
    }
    let mut late = Vec::new();
    for _ in 0..n {
        late.push(main.recv().await.expect("an answer"));
    }
    late.sort_unstable();
    for (name, part) in [("p50_ns", 0.5), ("p99_ns", 0.99), ("max_ns", 1.0)] {
        let at = (part * late.len() as f64).ceil() as usize;
        println!("extra {name} {}", late[at.clamp(1, late.len()) - 1]);
    }
    n as f64
}
