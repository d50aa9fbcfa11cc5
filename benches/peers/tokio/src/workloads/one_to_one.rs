//! See `one_to_one.ionasm`.

use tokio::sync::mpsc::unbounded_channel;

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let (to_receiver, mut mailbox) = unbounded_channel();
    tokio::spawn(async move {
        let mut sum = 0u64;
        for _ in 0..n {
            sum += mailbox.recv().await.expect("a message");
        }
        to_main.send(sum)
    });
    for i in 0..n {
        to_receiver.send(i).expect("the receiver is there");
        // Without preemption the sender must give way itself, or all messages are in memory at once.
        if i % 500 == 499 {
            tokio::task::yield_now().await;
        }
    }
    main.recv().await.expect("an answer") as f64
}
