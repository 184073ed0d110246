//! A `redis-server` that a test starts, kills and starts again.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue, Value};

/// How long a test waits for what must happen. It takes milliseconds on a machine that is idle.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a port of its own, with a folder of its own. Dropping it kills it.
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
    folder: PathBuf,
    options: Vec<String>,
}

/// Whether a test has to be skipped because there is no Redis on this machine. In CI it fails
/// instead.
///
/// `cargo xtask nodes` sets `VOLGA_TEST_ENGINES` to 1, and then the tests fail as well. The steps
/// that need no Redis set it to 0, and then they are always skipped.
pub(crate) fn is_missing() -> bool {
    let setting = std::env::var("VOLGA_TEST_ENGINES").ok();
    if setting.as_deref() == Some("0") {
        eprintln!("skipped: `cargo xtask nodes` runs the tests that need redis-server");
        return true;
    }
    let is_there = Command::new("redis-server")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let is_required = setting.is_some() || std::env::var_os("CI").is_some();
    assert!(is_there || !is_required, "redis-server is missing: apt-get install redis-server");
    if !is_there {
        eprintln!("skipped, because redis-server is missing: apt-get install redis-server");
    }
    !is_there
}

impl RedisServer {
    /// Starts a server with options such as `--appendonly yes`. Without one, it stores nothing.
    pub(crate) fn start(options: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("redis-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        loop {
            // The kernel chooses a port that is free. If another program takes it before the
            // server does, the server ends, and another port is tried.
            let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
            let port = port.expect("an address").port();
            let child = spawn(port, &folder, &options);
            let mut server = Self { child, port, folder: folder.clone(), options: options.clone() };
            if server.wait() {
                return server;
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the server at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Starts the server again, on the same port and with the files of before.
    pub(crate) fn start_again(&mut self) {
        let since = Instant::now();
        loop {
            self.child = spawn(self.port, &self.folder, &self.options);
            if self.wait() {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "another program has port {}", self.port);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a command.
    pub(crate) fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        command(&mut self.connection(), words)
    }

    pub(crate) fn connection(&self) -> Connection {
        let client = Client::open(self.url()).expect("an address");
        client.get_connection_with_timeout(PATIENCE).expect("a connection")
    }

    /// Waits until this server replies. Returns false if it has ended.
    fn wait(&mut self) -> bool {
        let since = Instant::now();
        loop {
            if self.child.try_wait().expect("a child").is_some() {
                return false;
            }
            assert!(since.elapsed() < PATIENCE, "redis-server does not reply");
            let client = Client::open(self.url()).expect("an address");
            if let Ok(mut connection) = client.get_connection_with_timeout(PATIENCE) {
                let info: redis::RedisResult<String> = redis::cmd("INFO").query(&mut connection);
                let own = format!("process_id:{}\r\n", self.child.id());
                match info {
                    Ok(info) if info.contains(&own) => {
                        // Otherwise it is still reading its files.
                        if info.contains("\nloading:0\r\n") {
                            return true;
                        }
                    }
                    // Another program has the port.
                    Ok(_) => {
                        self.kill();
                        return false;
                    }
                    Err(_) => {}
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Runs a command on a connection.
pub(crate) fn command<T: FromRedisValue>(connection: &mut Connection, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(connection).expect("a reply")
}

/// Runs a command that the server may refuse.
pub(crate) fn try_command(
    connection: &mut Connection,
    words: &[&str],
) -> redis::RedisResult<Value> {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(connection)
}

fn spawn(port: u16, folder: &std::path::Path, options: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]);
    command.arg(folder).args(options).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("redis-server starts")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}
