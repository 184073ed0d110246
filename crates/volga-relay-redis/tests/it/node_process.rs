//! Nodes that are processes of their own: this test program, started again with another task.
//!
//! A client sends one line. `send TEXT` publishes a message once and gets its position. `read
//! POSITION` gets what follows as an event stream.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{TcpListener, TcpStream};
use volga_sse::hub::Hub;
use volga_sse::{Decoder, Message, Position};

use crate::node::{hub, until_ready};
use crate::oracle::Received;
use crate::redis_server::{PATIENCE, RedisServer};

/// The variable with the address of Redis, in the process of a node.
const URL: &str = "VOLGA_TEST_NODE_OF";

/// A node. Dropping it kills it.
pub(crate) struct NodeProcess {
    child: Child,
    pub(crate) port: u16,
}

impl NodeProcess {
    /// Starts a node, and waits until it is ready.
    pub(crate) async fn start(server: &RedisServer) -> Self {
        let url = server.url();
        let start = move || {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.args(["--exact", "node_process::serve_as_a_node", "--nocapture"]);
            command.env(URL, url).stdout(Stdio::piped()).stdin(Stdio::piped());
            let mut child = command.spawn().expect("this program starts");
            let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
            let port = lines.find_map(|line| line.ok()?.strip_prefix("port ")?.parse().ok());
            Self { child, port: port.expect("the node says its port") }
        };
        tokio::task::spawn_blocking(start).await.expect("no panic")
    }

    /// Ends the node at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Publishes a message through a node. `None` if the node did not acknowledge it.
pub(crate) async fn send(port: u16, text: &str) -> Option<Position> {
    let exchange = async {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        socket.write_all(format!("send {text}\n").as_bytes()).await.ok()?;
        let mut reply = String::new();
        socket.read_to_string(&mut reply).await.ok()?;
        reply.trim().parse().ok()
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok()?
}

/// The event stream of one connection.
pub(crate) struct Reader {
    socket: TcpStream,
    decoder: Decoder,
    ready: std::collections::VecDeque<Received>,
}

impl Reader {
    pub(crate) async fn connect(port: u16, after: Position) -> Option<Self> {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        socket.write_all(format!("read {after}\n").as_bytes()).await.ok()?;
        Some(Self { socket, decoder: Decoder::new(), ready: Default::default() })
    }

    /// The next message or gap. `None` if the connection ended.
    pub(crate) async fn next(&mut self) -> Option<Received> {
        let mut buffer = [0; 16 * 1024];
        while self.ready.is_empty() {
            let length = self.socket.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
            for event in self.decoder.feed(&buffer[..length]).expect("within limits") {
                let received = match event.event() {
                    "gap" => {
                        // {"after":"…","through":"…"}, and null if it is not known.
                        let value = |name: &str| {
                            let (_, rest) = event.data().split_once(&format!("\"{name}\":"))?;
                            rest.strip_prefix('"')?.split('"').next()?.parse().ok()
                        };
                        Received::Gap {
                            after: value("after"),
                            through: value("through").expect("the end"),
                        }
                    }
                    _ => Received::Message {
                        position: event.id().parse().expect("a position"),
                        text: event.data().to_owned(),
                    },
                };
                self.ready.push_back(received);
            }
        }
        self.ready.pop_front()
    }
}

/// Not a test: the process of a node, if the variable is set.
#[test]
fn serve_as_a_node() {
    let Ok(url) = std::env::var(URL) else { return };
    // The node does not outlive the test that started it.
    std::thread::spawn(|| {
        _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let settings = volga_relay_redis::RedisHub::new(url);
        let hub = settings.build(hub().max_node_wait(PATIENCE)).expect("valid");
        until_ready(&hub).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("\nport {}", listener.local_addr().expect("an address").port());
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, hub.clone()));
        }
    });
}

async fn serve(socket: TcpStream, hub: Hub) -> Option<()> {
    let (read, mut write) = socket.into_split();
    let mut line = String::new();
    AsyncBufReader::new(read).read_line(&mut line).await.ok()?;
    let (what, argument) = line.trim_end().split_once(' ')?;
    if what == "send" {
        let message = hub.send("t.a", Message::new().data(argument));
        let receipt = message.retry_key(format!("message {argument}")).await.ok()?;
        return write.write_all(receipt.position.to_string().as_bytes()).await.ok();
    }
    let mut subscription = hub.subscribe("t.>").resume(argument.to_owned()).open().ok()?;
    while let Some(delivery) = subscription.next().await {
        write.write_all(delivery.encode().ok()?.as_bytes()).await.ok()?;
    }
    None
}
