//! See `copy.ionasm`.

use tokio::sync::mpsc::unbounded_channel;

/// Processes share nothing elsewhere; here the sender clones what it keeps.
type Message = Vec<Vec<f64>>;

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let (to_receiver, mut mailbox) = unbounded_channel::<Message>();
    tokio::spawn(async move {
        while let Some(message) = mailbox.recv().await {
            if to_main.send(message[9][9]).is_err() {
                return;
            }
        }
    });
    let message: Message = (0..10).map(|row| (0..10).map(|leaf| 0.5 + (10 * row + leaf) as f64).collect()).collect();
    let mut sum = 0.0;
    for _ in 0..n {
        to_receiver.send(message.clone()).expect("the receiver is there");
        sum += main.recv().await.expect("an answer");
    }
    sum
}
