//! See `spawn_flood.ionasm`.

use tokio::sync::mpsc::unbounded_channel;

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    for _ in 0..n {
        let to_main = to_main.clone();
        tokio::spawn(async move { to_main.send(1u64) });
    }
    let mut sum = 0;
    for _ in 0..n {
        sum += main.recv().await.expect("an answer");
    }
    sum as f64
}
