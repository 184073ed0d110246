//! A proxy between a node and Redis that a test can disturb.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The treatment that bytes get from the proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    Open,
    /// Connections are closed, and new ones as well.
    Cut,
    /// Connections stay open, and nothing passes.
    BlackHole,
    /// Connections stay open, and replies do not pass.
    NoReplies,
    /// Everything passes later by this time.
    Slow(Duration),
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    link: Arc<watch::Sender<Link>>,
}

impl Proxy {
    /// Forwards to a port of this machine.
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let link = Arc::new(watch::Sender::new(Link::Open));
        let links = Arc::clone(&link);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let link = links.subscribe();
                if *link.borrow() != Link::Cut {
                    tokio::spawn(serve(client, to, link));
                }
            }
        });
        Self { port, link }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

async fn serve(client: TcpStream, to: u16, mut link: watch::Receiver<Link>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("an option");
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let upward = forward(from_client, to_server, link.clone(), &[Link::BlackHole]);
    let silent = &[Link::BlackHole, Link::NoReplies];
    let downward = forward(from_server, to_client, link.clone(), silent);
    tokio::select! {
        () = upward => {}
        () = downward => {}
        _ = link.wait_for(|link| *link == Link::Cut) => {}
    }
}

/// Forwards bytes, and holds them back while the link is one of `silent`.
async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut link: watch::Receiver<Link>,
    silent: &[Link],
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = link.wait_for(|link| !silent.contains(link)).await.map(|link| *link) else {
            return;
        };
        match now {
            Link::Slow(delay) => tokio::time::sleep(delay).await,
            Link::Cut => return,
            _ => {}
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
