//! The laboratory's bare reader: it reads the log of the nodes with the crate `redis`, in the way
//! of a node, and does nothing with the messages. So it shows what a node costs that only reads.
//!
//! It serves `/ready` and `/position` for the load, on a thread of its own.

use std::{
    io::{self, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use redis::{AsyncConnectionConfig, Client, RedisResult, Value, cmd};

/// The log of the nodes, and how they read it.
const LOG: &str = "{volga}:log";
const COUNT: usize = 1_000;
const BLOCK_MILLISECONDS: usize = 1_000;

/// The ID of the last entry that was read.
type LastId = Arc<Mutex<String>>;

fn main() -> io::Result<()> {
    let last = LastId::new(Mutex::new("0-0".to_owned()));
    let listener = TcpListener::bind(bench_common::address())?;
    let shown = Arc::clone(&last);
    thread::spawn(move || serve(&listener, &shown));
    bench_common::run(async move { read(&last).await.map_err(io::Error::other) })
}

async fn read(last: &LastId) -> RedisResult<()> {
    let client = Client::open(bench_common::engine())?;
    // The reply to a read that blocks may take longer than the crate waits by default.
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut id = "0-0".to_owned();
    loop {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(COUNT).arg("BLOCK").arg(BLOCK_MILLISECONDS);
        command.arg("STREAMS").arg(LOG).arg(&id);
        let reply = connection.send_packed_command(&command).await?;
        if let Some(read) = last_id(&reply) {
            id.clear();
            id.push_str(read);
            last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&id);
        }
    }
}

/// The ID of the last entry in the reply to a read of one stream. `None` if the read has ended
/// without an entry.
fn last_id(reply: &Value) -> Option<&str> {
    let Value::Array(streams) = reply else { return None };
    let Value::Array(stream) = streams.first()? else { return None };
    let Value::Array(entries) = stream.get(1)? else { return None };
    let Value::Array(entry) = entries.last()? else { return None };
    let Value::BulkString(id) = entry.first()? else { return None };
    str::from_utf8(id).ok()
}

/// Responds to each request with the position in the form of a node's `/position`, one connection
/// after another. The load sends nothing else.
fn serve(listener: &TcpListener, last: &LastId) {
    for socket in listener.incoming() {
        // A client that is gone needs no response.
        let _ = socket.and_then(|mut socket| {
            let mut request = [0; 1024];
            let _ = socket.read(&mut request)?;
            let position = position(&last.lock().unwrap_or_else(PoisonError::into_inner));
            let length = position.len();
            write!(socket, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{position}")
        });
    }
}

/// An ID with hexadecimal numbers, and the number of messages that are missing.
fn position(id: &str) -> String {
    let (epoch, number) = id.split_once('-').unwrap_or(("0", "0"));
    let decimal = |text: &str| text.parse::<u64>().unwrap_or(0);
    format!("{:x}-{:x} 0", decimal(epoch), decimal(number))
}
