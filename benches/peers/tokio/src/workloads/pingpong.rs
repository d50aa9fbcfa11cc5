//! See `pingpong.ionasm`.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let (to_pong, pong_box) = unbounded_channel();
    tokio::spawn(pong(to_main, pong_box));
    let mut i = 0u64;
    while i < n {
        to_pong.send(i).expect("pong is there");
        i = main.recv().await.expect("an answer");
    }
    i as f64
}

/// Ends when nobody can send any more.
pub async fn pong(to_main: UnboundedSender<u64>, mut mailbox: UnboundedReceiver<u64>) {
    while let Some(i) = mailbox.recv().await {
        if to_main.send(i + 1).is_err() {
            return;
        }
    }
}
