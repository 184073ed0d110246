//! Tests that need several processes: a server without file descriptors, and a server that takes
//! over from another.

use std::{
    fs::File,
    net::TcpListener,
    os::fd::OwnedFd,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};
use volga::{App, BindTarget, ok};

use super::{
    child::Server,
    support::{PATIENCE, ask, read_to_end, read_until, soon},
};

/// Set in the server process, to the address on which it listens.
const CHILD: &str = "VOLGA_TEST_PROCESS_CHILD";
const SERVER: &str = "processes::child_server";

/// The server process that the other tests start. It is not a test itself.
#[test]
fn child_server() {
    let Ok(target) = std::env::var(CHILD) else { return };
    let target = match target.strip_prefix("shared:") {
        Some(address) => BindTarget::from(address).reuse_port(),
        None => target.as_str().into(),
    };
    // Longer than any test here takes.
    let mut app = App::new().bind(target).with_header_read_timeout(10 * PATIENCE);
    app.map_get("/", || ok!("{};", std::process::id()));
    app.map_get("/descriptors", || match File::open("/dev/null") {
        Ok(_) => ok!("some left;"),
        Err(_) => ok!("none left;"),
    });
    if let Err(error) = app.run_blocking() {
        panic!("{error}");
    }
}

async fn start(shell: &str, target: &str) -> Server {
    Server::start(SERVER, shell, Stdio::null(), &[(CHILD, target)]).await
}

#[tokio::test]
async fn a_signal_right_after_the_greeting_is_handled() {
    for _ in 0..10 {
        let server = start("", "127.0.0.1:0").await;
        server.terminate();
        assert_eq!(server.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_server_without_descriptors_goes_on_and_accepts_again_once_it_has_some() {
    let server = start("ulimit -n 64", "127.0.0.1:0").await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(TcpStream::connect(server.address).await.unwrap());
    }
    let exhausted = async {
        loop {
            first.write_all(b"GET /descriptors HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
            if read_until(&mut first, ";").await.ends_with("none left;") {
                break;
            }
        }
    };
    soon("the shortage", exhausted).await;
    // Open connections are still served.
    first.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    read_until(&mut first, &format!("{};", server.id())).await;

    drop(flood);
    let answer = ask(server.address, "GET /").await;
    assert!(answer.ends_with(&format!("{};", server.id())), "{answer:?}");
    server.terminate();
    assert_eq!(server.exit_code().await, Some(0));
}

/// Clients that connect one after the other, each with one request. Each of them must get a
/// response.
struct Clients {
    tasks: JoinSet<()>,
    /// The process that responded last.
    last: Arc<AtomicU32>,
}

impl Clients {
    fn of(server: &Server) -> Self {
        let last = Arc::new(AtomicU32::new(0));
        let (address, mut tasks) = (server.address, JoinSet::new());
        for _ in 0..8 {
            let last = Arc::clone(&last);
            tasks.spawn(async move {
                loop {
                    let answer = ask(address, "GET /").await;
                    let id = answer.strip_suffix(';').and_then(|text| text.lines().last());
                    let id = id.and_then(|id| id.parse().ok());
                    last.store(id.unwrap_or_else(|| panic!("{answer:?}")), Ordering::Relaxed);
                }
            });
        }
        Self { tasks, last }
    }

    /// Waits until this process has responded.
    async fn until_answered_by(&mut self, id: u32) {
        self.last.store(0, Ordering::Relaxed);
        let answered = async {
            while self.last.load(Ordering::Relaxed) != id {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = soon("the answer", answered) => {}
            Some(ended) = self.tasks.join_next() => ended.unwrap(),
        }
    }

    /// Lets every client send one more request, and fails if a response is missing.
    async fn end(mut self, server: &Server) {
        for _ in 0..100 {
            self.until_answered_by(server.id()).await;
        }
        self.tasks.shutdown().await;
    }
}

/// On other systems the process that bound last, or first, gets all new connections.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_takes_over_a_shared_port_and_no_client_is_refused() {
    let mut old = start("", "shared:127.0.0.1:0").await;
    let mut clients = Clients::of(&old);
    for _ in 0..3 {
        let new = start("", &format!("shared:{}", old.address)).await;
        clients.until_answered_by(new.id()).await;
        clients.until_answered_by(old.id()).await;
        old.terminate();
        assert_eq!(old.exit_code().await, Some(0));
        clients.until_answered_by(new.id()).await;
        old = new;
    }
    clients.end(&old).await;
}

/// Starts a server with this socket, as systemd does.
async fn start_with(socket: &TcpListener) -> Server {
    let shell = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$";
    let socket = OwnedFd::from(socket.try_clone().unwrap());
    Server::start(SERVER, shell, socket.into(), &[(CHILD, "inherited:")]).await
}

#[tokio::test]
async fn a_client_between_two_servers_of_an_inherited_socket_is_served_by_the_second() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let old = start_with(&socket).await;
    assert_eq!(old.address, socket.local_addr().unwrap());
    let (address, id) = (old.address, old.id());
    assert!(ask(address, "GET /").await.ends_with(&format!("{id};")));
    old.terminate();
    assert_eq!(old.exit_code().await, Some(0));

    let mut between = TcpStream::connect(address).await.unwrap();
    between.write_all(b"GET / HTTP/1.0\r\nhost: test\r\n\r\n").await.unwrap();
    let new = start_with(&socket).await;
    assert!(read_to_end(&mut between).await.ends_with(&format!("{};", new.id())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_with_an_inherited_socket_refuses_no_client() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut old = start_with(&socket).await;
    let clients = Clients::of(&old);
    for _ in 0..3 {
        old.terminate();
        assert_eq!(old.exit_code().await, Some(0));
        old = start_with(&socket).await;
    }
    clients.end(&old).await;
}
