//! See `spawn_seq.ionasm`.

use tokio::sync::mpsc::unbounded_channel;

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let mut i = 0u64;
    while i < n {
        let to_main = to_main.clone();
        tokio::spawn(async move { to_main.send(i + 1) });
        i = main.recv().await.expect("an answer");
    }
    i as f64
}
