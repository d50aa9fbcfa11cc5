//! See `timers.ionasm`.

use std::time::Duration;
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
            if timeout(time, mailbox.recv()).await.is_err() {
                _ = to_main.send(1u64);
            }
        });
    }
    let mut sum = 0;
    for _ in 0..n {
        sum += main.recv().await.expect("an answer");
    }
    sum as f64
}
