//! See `skynet.ionasm`.

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    start(to_main, 0, n);
    main.recv().await.expect("an answer") as f64
}

/// Not async, so that the task's type does not contain itself.
fn start(parent: UnboundedSender<u64>, number: u64, leaves: u64) {
    tokio::spawn(async move {
        if leaves == 1 {
            _ = parent.send(number);
            return;
        }
        let (to_self, mut mailbox) = unbounded_channel();
        let size = leaves / 10;
        for i in 0..10 {
            start(to_self.clone(), number + i * size, size);
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += mailbox.recv().await.expect("an answer");
        }
        _ = parent.send(sum);
    });
}
