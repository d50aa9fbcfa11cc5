//! See `hundred_to_one.ionasm`.

use tokio::sync::mpsc::unbounded_channel;

pub async fn run(n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    for _ in 0..100 {
        let to_main = to_main.clone();
        tokio::spawn(async move {
            for i in (1..=n).rev() {
                to_main.send(i).expect("main is there");
                // See one_to_one.
                if i % 500 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let mut sum = 0;
    for _ in 0..100 * n {
        sum += main.recv().await.expect("a message");
    }
    sum as f64
}
