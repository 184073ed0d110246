//! A network between client and server that cuts connections at any byte, stalls, and passes on as little at a time as it likes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    task::yield_now,
};

/// How long a stall is: so many turns of everything else that runs, which is more than the server needs to fill what lies between.
const STALL: usize = 200;

/// What happens to what the server sends over one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// It is cut after so many bytes.
    pub(crate) cut_after: u64,
    /// At most so many are passed on at a time.
    pub(crate) piece: usize,
    /// After so many it stalls for a while.
    pub(crate) stall_after: u64,
}

/// Starts a proxy on a port that the system chooses. `lines` says for each connection, in their order, what it is like.
pub(crate) async fn start(
    server: SocketAddr,
    mut lines: impl FnMut() -> Line + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, server, lines()));
        }
    });
    address
}

async fn pass(mut client: TcpStream, server: SocketAddr, line: Line) {
    // Without a server, the client finds its connection closed.
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    // A cut is a FIN or a RST; the latter may take with it what was passed on before.
    if line.cut_after.is_multiple_of(2) {
        client.set_zero_linger().expect("an open socket");
    }
    // Each piece is a segment of its own.
    client.set_nodelay(true).expect("an open socket");
    let (mut from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    // Either end ends both: the sockets are dropped with this function. How they fail is what the client is to cope with.
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = pass_on(from_server, &mut to_client, line) => {}
    }
}

async fn pass_on(
    from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
    line: Line,
) -> std::io::Result<()> {
    let mut from = from.take(line.cut_after);
    let mut piece = vec![0; line.piece];
    let mut passed = 0;
    loop {
        let count = from.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&piece[..count]).await?;
        let before = passed;
        passed += count as u64;
        if (before..passed).contains(&line.stall_after) {
            for _ in 0..STALL {
                yield_now().await;
            }
        }
    }
}
