//! See `poll_empty.ionasm`.

use tokio::sync::mpsc::unbounded_channel;

pub async fn run(n: u64) -> f64 {
    let (to_self, mut mailbox) = unbounded_channel::<u64>();
    let mut polls = 0u64;
    while polls < n && mailbox.try_recv().is_err() {
        polls += 1;
    }
    drop(to_self);
    polls as f64
}
