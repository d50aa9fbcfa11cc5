//! See `idle.ionasm`.

use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;

pub async fn run(n: u64) -> f64 {
    let (before, started) = (resident(), Instant::now());
    let mut kept = Vec::new();
    for _ in 0..n {
        let (sender, mut mailbox) = unbounded_channel::<u64>();
        tokio::spawn(async move { mailbox.recv().await });
        kept.push(sender);
    }
    println!("extra create_ns {}", started.elapsed().as_nanos());
    tokio::time::sleep(Duration::from_millis(50)).await;
    println!("extra memory {}", resident().saturating_sub(before));
    kept.len() as f64
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
