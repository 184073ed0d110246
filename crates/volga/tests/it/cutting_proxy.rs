//! A proxy that passes on so many bytes of what the server sends and then cuts the connection, wherever that is.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, copy},
    net::{TcpListener, TcpStream},
};

/// Starts a proxy on a port that the system chooses. `budgets` says for each connection, in their order, after how many bytes it is cut.
pub(crate) async fn start(
    server: SocketAddr,
    mut budgets: impl FnMut() -> u64 + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, server, budgets()));
        }
    });
    address
}

async fn pass(mut client: TcpStream, server: SocketAddr, budget: u64) {
    // Without a server, the client finds its connection closed.
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    // A cut is a FIN or a RST; the latter may take with it what was passed on before.
    if budget.is_multiple_of(2) {
        client.set_zero_linger().unwrap();
    }
    let (mut from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    let mut from_server = from_server.take(budget);
    // Either end ends both: the sockets are dropped with this function. How they fail is what the client is to cope with.
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = copy(&mut from_server, &mut to_client) => {}
    }
}
