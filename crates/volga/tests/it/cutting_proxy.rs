//! A proxy between client and server that cuts connections at any byte, stalls, and passes on small
//! pieces.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    task::yield_now,
};

/// The length of a stall, in turns of all other tasks. It is long enough for the server to fill all
/// buffers.
const STALL: usize = 200;

/// The treatment of the bytes that the server sends over one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The connection is cut after this many bytes.
    pub(crate) cut_after: u64,
    /// At most this many bytes are passed on at a time.
    pub(crate) piece: usize,
    /// The connection stalls after this many bytes.
    pub(crate) stall_after: u64,
}

/// Starts a proxy on a port that the system chooses. `lines` has the treatment of each connection,
/// in their order.
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
    // A cut is a FIN or a RST. A RST may discard bytes that were passed on before.
    if line.cut_after.is_multiple_of(2) {
        client.set_zero_linger().expect("an open socket");
    }
    // Each piece is sent as its own segment.
    client.set_nodelay(true).expect("an open socket");
    let (mut from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    // If either side ends, both sockets are dropped. The client must handle how they fail.
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
