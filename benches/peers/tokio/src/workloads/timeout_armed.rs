//! See `timeout_armed.ionasm`.

use super::pingpong::pong;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let (to_pong, pong_box) = unbounded_channel();
    tokio::spawn(pong(to_main, pong_box));
    let mut i = 0;
    while i < n {
        to_pong.send(i).expect("pong is there");
        match timeout(Duration::from_millis(10_000), main.recv()).await {
            Ok(Some(next)) => i = next,
            _ => break,
        }
    }
    i as f64
}
