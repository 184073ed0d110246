//! A client behind a proxy: it requests an event stream and reports what arrives.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use flate2::write::GzDecoder;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, timeout},
};
use volga_sse::Decoder;

use crate::{corpus::Event, readers::from_ours};

/// The protocol that the client speaks to the proxy, without TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A request for an event stream, and what has arrived of the response.
pub(crate) struct ClientStream {
    seen: mpsc::UnboundedReceiver<Seen>,
    reader: AbortHandle,
    connection: AbortHandle,
    protocol: Protocol,
}

/// Something that the client sees.
#[derive(Debug)]
pub(crate) enum Seen {
    Event(Event),
    /// The response ended as it should.
    End,
    /// The response was refused or cut, so the client knows that it lacks something.
    Failed(String),
}

/// The part of a connection that sends requests.
enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Empty<Bytes>>),
    // Not hyper, because it takes a reset for an end.
    Http2(h2::client::SendRequest<Bytes>),
}

enum Body {
    Http1(hyper::body::Incoming),
    Http2(h2::RecvStream),
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

impl ClientStream {
    /// Requests `path` over a connection of its own.
    pub(crate) async fn open(
        port: u16,
        path: &str,
        protocol: Protocol,
        last_event_id: Option<&str>,
    ) -> Result<Self, Fault> {
        let (mut sender, connection) = connect(port, protocol).await?;
        let uri = match protocol {
            Protocol::Http1 => path.to_owned(),
            Protocol::Http2 => format!("http://127.0.0.1:{port}{path}"),
        };
        // A browser sends these headers too. Some proxies decide by them.
        let mut request = Request::get(uri)
            .header(header::ACCEPT, "text/event-stream")
            .header(header::ACCEPT_ENCODING, "gzip, deflate")
            .header(header::CACHE_CONTROL, "no-cache");
        if protocol == Protocol::Http1 {
            request = request.header(header::HOST, format!("127.0.0.1:{port}"));
        }
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id.as_bytes());
        }
        let request = request.body(())?;
        let (send, seen) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            let end = match read(&mut sender, request, &send).await {
                Ok(()) => Seen::End,
                Err(error) => Seen::Failed(error.to_string()),
            };
            // Nobody listens once the client has left.
            let _ = send.send(end);
            // With the last sender, hyper would close the connection.
            std::future::pending::<()>().await;
        });
        Ok(Self { seen, reader: reader.abort_handle(), connection, protocol })
    }

    /// Waits for the next event or for the end. Returns `None` if neither arrives in this time.
    pub(crate) async fn next(&mut self, wait: Duration) -> Option<Seen> {
        timeout(wait, self.seen.recv()).await.ok().flatten()
    }

    /// All events until the end, unless it does not come in this time.
    pub(crate) async fn rest(&mut self, wait: Duration) -> (Vec<Event>, Option<Seen>) {
        let (mut events, until) = (Vec::new(), Instant::now() + wait);
        loop {
            match self.next(until.saturating_duration_since(Instant::now())).await {
                Some(Seen::Event(event)) => events.push(event),
                end => return (events, end),
            }
        }
    }

    /// Leaves as a browser does: with HTTP/1.1 it closes the connection, and with HTTP/2 it resets
    /// the stream.
    pub(crate) fn leave(&self) {
        match self.protocol {
            Protocol::Http1 => self.connection.abort(),
            Protocol::Http2 => self.reader.abort(),
        }
    }
}

/// Describes what the client has received, for an error message. `None` means nothing.
pub(crate) fn shown(seen: &Option<Seen>) -> String {
    match seen {
        None => "nothing".to_owned(),
        Some(Seen::Event(event)) => format!("the event {event:?}"),
        Some(Seen::End) => "the end of the stream".to_owned(),
        Some(Seen::Failed(error)) => format!("a fault ({error})"),
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.reader.abort();
        self.connection.abort();
    }
}

async fn connect(port: u16, protocol: Protocol) -> Result<(Sender, AbortHandle), Fault> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(match protocol {
        Protocol::Http1 => {
            let (sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            (Sender::Http1(sender), tokio::spawn(connection).abort_handle())
        }
        Protocol::Http2 => {
            let (sender, connection) = h2::client::handshake(stream).await?;
            (Sender::Http2(sender), tokio::spawn(connection).abort_handle())
        }
    })
}

async fn read(
    sender: &mut Sender,
    request: Request<()>,
    seen: &mpsc::UnboundedSender<Seen>,
) -> Result<(), Fault> {
    let (head, mut body) = send(sender, request).await?.into_parts();
    if head.status != 200 {
        return Err(format!("status {}", head.status).into());
    }
    let is_gzip = match head.headers.get(header::CONTENT_ENCODING) {
        None => false,
        Some(encoding) if encoding == "gzip" => true,
        Some(encoding) => return Err(format!("content encoding {encoding:?}").into()),
    };
    let (mut decoder, mut gzip) = (Decoder::new(), GzDecoder::new(Vec::new()));
    while let Some(mut bytes) = body.next().await? {
        if is_gzip {
            gzip.write_all(&bytes)?;
            gzip.flush()?;
            bytes = std::mem::take(gzip.get_mut()).into();
        }
        for event in decoder.feed(&bytes)? {
            if seen.send(Seen::Event(from_ours(event))).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn send(sender: &mut Sender, request: Request<()>) -> Result<Response<Body>, Fault> {
    Ok(match sender {
        Sender::Http1(sender) => {
            sender.send_request(request.map(|()| Empty::new())).await?.map(Body::Http1)
        }
        Sender::Http2(sender) => {
            let mut ready = sender.clone().ready().await?;
            ready.send_request(request, true)?.0.await?.map(Body::Http2)
        }
    })
}

impl Body {
    /// The next bytes, or `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        match self {
            Self::Http1(body) => {
                while let Some(frame) = body.frame().await {
                    if let Ok(bytes) = frame?.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Ok(None)
            }
            Self::Http2(body) => {
                let Some(bytes) = body.data().await.transpose()? else { return Ok(None) };
                body.flow_control().release_capacity(bytes.len())?;
                Ok(Some(bytes))
            }
        }
    }
}
