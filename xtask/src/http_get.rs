//! One GET request over a plain socket, enough to ask an example for a page; an endless stream is fine.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

/// How long one connection attempt may take.
const CONNECT: Duration = Duration::from_secs(1);
/// Bytes of an answer that are looked at.
const MAX_ANSWER: usize = 1024 * 1024;

/// `http://host:port/path`
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    path: String,
}

/// The beginning of an answer.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the text that was asked for is in the body.
    pub(crate) contains: bool,
}

impl Url {
    /// Takes the URL apart; `None` unless it is `http:` with a host.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, 80),
        };
        let path = if path.is_empty() { "/" } else { path };
        (!host.is_empty()).then(|| Self { host: host.to_owned(), port, path: path.to_owned() })
    }

    /// Connects to the first address of the host that listens.
    ///
    /// # Errors
    /// The last address's, mostly that nobody listens.
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the host has no address");
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        for address in (host, self.port).to_socket_addrs()? {
            match connect_to(&address) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks for the page and reads until the text was seen, the answer ends, or the deadline is over.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is not HTTP.
    pub(crate) fn get(
        &self,
        mut stream: TcpStream,
        text: &str,
        deadline: Instant,
    ) -> io::Result<Answer> {
        let Self { host, port, path } = self;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut piece = [0; 8 * 1024];
        while answer.len() < MAX_ANSWER {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(size) => answer.extend_from_slice(&piece[..size]),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if let Some(answer) =
                parse(&answer, text).filter(|answer| answer.contains || answer.status != 200)
            {
                return Ok(answer);
            }
        }
        parse(&answer, text).ok_or_else(|| {
            let begin = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
            io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP/1.1 answer but {begin:?}"))
        })
    }
}

fn connect_to(address: &SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(address, CONNECT)
}

/// The status, once the head is complete, and whether the body so far holds the text (pure).
fn parse(answer: &[u8], text: &str) -> Option<Answer> {
    let head = find(answer, b"\r\n\r\n")?;
    let status_line = String::from_utf8_lossy(&answer[..head]);
    let status = status_line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, contains: find(&answer[head..], text.as_bytes()).is_some() })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_parts() {
        let url = |host: &str, port, path: &str| Url { host: host.into(), port, path: path.into() };
        assert_eq!(Url::parse("http://localhost:7878/a?b"), Some(url("localhost", 7878, "/a?b")));
        assert_eq!(Url::parse("http://localhost"), Some(url("localhost", 80, "/")));
        assert_eq!(Url::parse("http://[::1]:80/"), Some(url("[::1]", 80, "/")));
        for bad in ["https://localhost/", "localhost:7878", "http://:80/", "http://localhost:many/"]
        {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_needs_its_whole_head_and_its_body_the_text() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nx-text: hello\r\n", "hello"), None);
        assert_eq!(parse(b"SSH-2.0\r\n\r\n", ""), None);
        let answer = |status, contains| Some(Answer { status, contains });
        assert_eq!(
            parse(b"HTTP/1.1 200 OK\r\nx-text: hello\r\n\r\nbye", "hello"),
            answer(200, false)
        );
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\n5\r\nhello\r\n", "hello"), answer(200, true));
        assert_eq!(parse(b"HTTP/1.1 404 Not Found\r\n\r\n", "hello"), answer(404, false));
    }

    #[test]
    fn an_endless_stream_is_read_until_the_text_is_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ndata: he").unwrap();
            stream.write_all(b"llo\n\n").unwrap();
            // Holds the connection open until the client has seen enough.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let answer = url.get(url.connect().unwrap(), "hello", deadline).unwrap();
        assert_eq!(answer, Answer { status: 200, contains: true });
        server.join().unwrap();
    }
}
