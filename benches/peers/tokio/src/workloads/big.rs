//! See `big.ionasm`.

use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

enum Message {
    Ping(UnboundedSender<Message>),
    Pong,
}

pub async fn run(p: u64, n: u64) -> f64 {
    let (to_main, mut main) = unbounded_channel();
    let (members, mailboxes): (Vec<_>, Vec<_>) = (0..p).map(|_| unbounded_channel()).unzip();
    let members = Arc::new(members);
    for (own, mailbox) in mailboxes.into_iter().enumerate() {
        tokio::spawn(member(to_main.clone(), members.clone(), own, mailbox, n));
    }
    let mut seen = 0;
    for _ in 0..p {
        seen += main.recv().await.expect("an answer");
    }
    seen as f64
}

async fn member(
    main: UnboundedSender<u64>,
    members: Arc<Vec<UnboundedSender<Message>>>,
    own: usize,
    mut mailbox: UnboundedReceiver<Message>,
    n: u64,
) {
    let others = members.len() as u64 - 1;
    let (mut pings, mut seen) = (others * n, 0);
    for _ in 0..n {
        for (i, other) in members.iter().enumerate() {
            if i != own {
                _ = other.send(Message::Ping(members[own].clone()));
            }
        }
        let mut pongs = others;
        while pongs > 0 {
            match mailbox.recv().await.expect("a message") {
                Message::Ping(from) => {
                    _ = from.send(Message::Pong);
                    pings -= 1;
                }
                Message::Pong => {
                    pongs -= 1;
                    seen += 1;
                }
            }
        }
    }
    while pings > 0 {
        if let Message::Ping(from) = mailbox.recv().await.expect("a message") {
            _ = from.send(Message::Pong);
            pings -= 1;
        }
    }
    main.send(seen).expect("main is there");
}
