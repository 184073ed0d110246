//! Sends one GET request over a plain socket, which is enough to ask an example for a page.
//!
//! The response may be an endless stream: reading stops as soon as the expected text has arrived.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

/// How long one connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How many bytes of a response are read at most.
const MAX_RESPONSE: usize = 1024 * 1024;

/// `http://host:port/path`
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    path: String,
}

/// The beginning of a response.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Whether the body contains_text the expected text.
    pub(crate) contains_text: bool,
}

impl Url {
    /// Parses a URL. Returns `None` unless its scheme is `http:` and it has a host.
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
    /// Returns the error of the last address, in most cases that nothing listens there.
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

    /// Asks for the page and reads until the text has arrived, the response ends, or the deadline
    /// has passed.
    ///
    /// # Errors
    /// Fails when the connection breaks, or when the response is not HTTP.
    pub(crate) fn get(
        &self,
        mut stream: TcpStream,
        text: &str,
        deadline: Instant,
    ) -> io::Result<Response> {
        let Self { host, port, path } = self;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut response = Vec::new();
        let mut piece = [0; 8 * 1024];
        while response.len() < MAX_RESPONSE {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(size) => response.extend_from_slice(&piece[..size]),
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
            if let Some(response) = parse(&response, text)
                .filter(|response| response.contains_text || response.status != 200)
            {
                return Ok(response);
            }
        }
        parse(&response, text).ok_or_else(|| {
            let begin = String::from_utf8_lossy(&response[..response.len().min(80)]).into_owned();
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("not an HTTP/1.1 response: {begin:?}"),
            )
        })
    }
}

fn connect_to(address: &SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(address, CONNECT_TIMEOUT)
}

/// Parses the status, and looks for the text in the body as far as it has arrived (pure).
///
/// Returns `None` until the head is complete.
fn parse(response: &[u8], text: &str) -> Option<Response> {
    let head = find(response, b"\r\n\r\n")?;
    let status_line = String::from_utf8_lossy(&response[..head]);
    let status = status_line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Response { status, contains_text: find(&response[head..], text.as_bytes()).is_some() })
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
    fn a_response_is_parsed_once_its_head_is_complete() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nx-text: hello\r\n", "hello"), None);
        assert_eq!(parse(b"SSH-2.0\r\n\r\n", ""), None);
        let response = |status, contains_text| Some(Response { status, contains_text });
        assert_eq!(
            parse(b"HTTP/1.1 200 OK\r\nx-text: hello\r\n\r\nbye", "hello"),
            response(200, false)
        );
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\n5\r\nhello\r\n", "hello"), response(200, true));
        assert_eq!(parse(b"HTTP/1.1 404 Not Found\r\n\r\n", "hello"), response(404, false));
    }

    #[test]
    fn an_endless_stream_is_read_until_the_text_is_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ndata: he").unwrap();
            stream.write_all(b"llo\n\n").unwrap();
            // Keeps the connection open until the client has read enough and closes it.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let response = url.get(url.connect().unwrap(), "hello", deadline).unwrap();
        assert_eq!(response, Response { status: 200, contains_text: true });
        server.join().unwrap();
    }
}
