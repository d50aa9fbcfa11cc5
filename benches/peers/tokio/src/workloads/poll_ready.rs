//! See `poll_ready.ionasm`.

use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

pub async fn run(n: u64) -> f64 {
    let (to_self, mut mailbox) = unbounded_channel();
    let mut sum = 0u64;
    while sum < n {
        to_self.send(1).expect("the mailbox is there");
        match timeout(Duration::from_millis(1000), mailbox.recv()).await {
            Ok(Some(one)) => sum += one,
            _ => break,
        }
    }
    sum as f64
}
