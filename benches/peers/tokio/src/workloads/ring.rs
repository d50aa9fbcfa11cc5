//! See `ring.ionasm`.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

enum Message {
    Hops(u64),
    Stop,
}

pub async fn run(p: u64, n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let (first, mut mailbox) = unbounded_channel();
    for _ in 1..p {
        let (next, next_mailbox) = unbounded_channel();
        tokio::spawn(node(to_main.clone(), next, mailbox));
        mailbox = next_mailbox;
    }
    tokio::spawn(node(to_main, first.clone(), mailbox));
    first.send(Message::Hops(n)).ok();
    let result = main.recv().await.expect("an answer");
    first.send(Message::Stop).ok();
    result as f64
}

async fn node(main: UnboundedSender<u64>, next: UnboundedSender<Message>, mut mailbox: UnboundedReceiver<Message>) {
    while let Some(message) = mailbox.recv().await {
        match message {
            Message::Hops(0) => main.send(0).expect("main is there"),
            Message::Hops(n) => next.send(Message::Hops(n - 1)).unwrap_or_else(|_| panic!("the next is gone")),
            Message::Stop => return drop(next.send(Message::Stop)),
        }
    }
}
