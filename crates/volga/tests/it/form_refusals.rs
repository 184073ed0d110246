//! The reason why a multipart form is refused reaches a client that is still sending, on both
//! protocols.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use volga::{
    App,
    error::Error,
    multipart::{Multipart, MultipartForm},
    ok,
};

use super::support::{Running, data2, get2, http2, run, soon};

/// A form of which a client sends this start, and then bytes without an end.
struct Refusal {
    path: &'static str,
    content_type: &'static str,
    start: String,
    status: u16,
    expect: &'static str,
}

const FORM: &str = "multipart/form-data; boundary=b";

/// The head of a part.
fn head(name: &str) -> String {
    format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n")
}

fn refusals() -> Vec<Refusal> {
    let note = head("note");
    let few = "x\r\n".to_owned() + &note;
    let mut refusals = Vec::new();
    let mut refuse = |path, start: String, status, expect| {
        refusals.push(Refusal { path, content_type: FORM, start, status, expect });
    };
    refuse("/field", note.clone(), 413, "the field `note` is larger than 1000 bytes");
    refuse("/part", note.clone(), 413, "the field `note` is larger than 2000 bytes");
    refuse(
        "/memory",
        note.clone(),
        413,
        "the field `note` makes the form larger than 3000 bytes without its files",
    );
    refuse(
        "/parts",
        note.clone() + &few.repeat(3),
        413,
        "the form has more than 3 parts; the one before is the field `note`",
    );
    refuse(
        "/headers",
        note.clone() + "x\r\n--b\r\nx: ",
        413,
        "the headers of the part after the field `note` are larger than 200 bytes",
    );
    refuse("/body", note.clone(), 413, "the field `note`: the body is larger than 50000 bytes");
    refuse(
        "/typed",
        note.clone(),
        413,
        "the field `note` makes the form larger than 1048576 bytes without its files",
    );
    let malformed = "the body is not a complete multipart form";
    refuse("/part", "--b\r\nno colon\r\n\r\n".to_owned(), 400, malformed);
    refuse("/typed", "--b\r\nx y: 1\r\n\r\n".to_owned(), 400, malformed);
    refuse("/part", format!("{note}x\r\n--bx\n"), 400, malformed);
    refuse(
        "/part",
        "--b\r\nx: y\r\n\r\n".to_owned(),
        400,
        "part 1 has no `name` in its `Content-Disposition`",
    );
    refuse("/text", note.clone(), 413, "the field `note` is larger than 1000 bytes");
    for (content_type, status, expect) in [
        ("multipart/form-data", 400, "needs a `boundary` of 1 to 70 characters"),
        ("application/json", 415, "multipart/form-data"),
    ] {
        let start = note.clone();
        refusals.push(Refusal { path: "/part", content_type, start, status, expect });
    }
    refusals
}

async fn count(mut form: Multipart) -> Result<String, Error> {
    let mut length = 0;
    while let Some(mut part) = form.next().await? {
        while let Some(piece) = part.chunk().await? {
            length += piece.len();
        }
    }
    Ok(length.to_string())
}

async fn texts(mut form: Multipart) -> Result<String, Error> {
    let mut all = String::new();
    while let Some(mut part) = form.next().await? {
        all += &part.text().await?;
    }
    Ok(all)
}

async fn server() -> Running {
    #[derive(serde::Deserialize)]
    struct Note {
        note: Vec<String>,
    }

    run(|app: &mut App| {
        const LARGE: usize = 1 << 40;
        app.map_get("/", || ok!("here"));
        app.map_post("/field", |form: Multipart| count(form.with_field_limit("note", 1000)))
            .body_limit(LARGE);
        app.map_post("/text", |form: Multipart| texts(form.with_field_limit("note", 1000)))
            .body_limit(LARGE);
        app.map_post("/part", |form: Multipart| count(form.with_max_part_bytes(2000)))
            .body_limit(LARGE);
        app.map_post("/memory", |form: Multipart| texts(form.with_max_memory(3000)))
            .body_limit(LARGE);
        app.map_post("/parts", |form: Multipart| count(form.with_max_parts(3))).body_limit(LARGE);
        app.map_post("/headers", |form: Multipart| count(form.with_max_part_headers(200)))
            .body_limit(LARGE);
        app.map_post("/body", count).body_limit(50_000);
        app.map_post("/typed", async |MultipartForm(form): MultipartForm<Note>| form.note.len())
            .body_limit(LARGE);
    })
    .await
}

/// How the client announces the length of its body.
#[derive(Clone, Copy, Debug)]
enum Length {
    Unknown,
    /// Far more than it will send.
    Announced,
}

const ANNOUNCED: usize = 1 << 30;

/// Sends a form in pieces of this size until the whole response has come.
async fn http1(address: SocketAddr, refusal: &Refusal, length: Length, size: usize) -> String {
    let Refusal { path, content_type, start, .. } = refusal;
    let mut client = TcpStream::connect(address).await.unwrap();
    let framing = match length {
        Length::Unknown => "transfer-encoding: chunked".to_owned(),
        Length::Announced => format!("content-length: {ANNOUNCED}"),
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{framing}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = client.split();
    let frame = |piece: &[u8]| match length {
        Length::Unknown => [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
        Length::Announced => piece.to_vec(),
    };
    let filler = frame(&vec![b'x'; size]);
    let send = async {
        for piece in start.as_bytes().chunks(size) {
            if writer.write_all(&frame(piece)).await.is_err() {
                return;
            }
        }
        while writer.write_all(&filler).await.is_ok() {}
    };
    let read = async {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains("\"detail\":\"") || !text.ends_with(b"\"}") {
            let count = reader.read_buf(&mut text).await.unwrap();
            assert!(count > 0, "the response is cut: {}", String::from_utf8_lossy(&text));
        }
        String::from_utf8(text).unwrap()
    };
    // The client sends until it has read everything. If it cannot send any more, it reads on.
    let (mut send, mut read) = (std::pin::pin!(send), std::pin::pin!(read));
    soon("the response", async {
        tokio::select! {
            text = &mut read => text,
            () = &mut send => read.await,
        }
    })
    .await
}

/// As [`http1`], over HTTP/2. The connection must be of use afterwards.
async fn over_http2(
    requests: &h2::client::SendRequest<Bytes>,
    refusal: &Refusal,
    length: Length,
    size: usize,
) -> String {
    let mut client = soon("a free stream", requests.clone().ready()).await.unwrap();
    let mut request = http::Request::post(format!("http://test{}", refusal.path))
        .header("content-type", refusal.content_type);
    if let Length::Announced = length {
        request = request.header("content-length", ANNOUNCED);
    }
    let (response, mut sending) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let (start, filler) = (Bytes::from(refusal.start.clone()), Bytes::from(vec![b'x'; size]));
    let send = async {
        let mut rest = start;
        loop {
            sending.reserve_capacity(rest.len().min(size));
            let Some(Ok(room)) = poll_fn(|cx| sending.poll_capacity(cx)).await else { break };
            let piece = rest.split_to(room.min(rest.len()).min(size));
            if sending.send_data(piece, false).is_err() {
                break;
            }
            if rest.is_empty() {
                rest = filler.clone();
            }
        }
        poll_fn(|cx| sending.poll_reset(cx)).await
    };
    let read = async {
        let response = response.await.unwrap();
        let mut text = format!("HTTP/2 {}\n", response.status().as_u16());
        let mut body = response.into_body();
        while let Some(piece) = data2(&mut body).await {
            text += &piece.unwrap();
        }
        text
    };
    // Ready with a reset without an error: the server wants no more of the body.
    let (reset, text) = soon("the response", async { tokio::join!(send, read) }).await;
    assert_eq!(reset.unwrap(), h2::Reason::NO_ERROR, "{text}");
    text
}

#[tokio::test]
async fn each_reason_reaches_a_client_that_does_not_stop_sending() {
    let server = server().await;
    let requests = http2(server.address).await;
    for refusal in refusals() {
        for length in [Length::Unknown, Length::Announced] {
            for size in [300, 1_000, 40_000] {
                let one = http1(server.address, &refusal, length, size);
                let two = over_http2(&requests, &refusal, length, size);
                for text in [one.await, two.await] {
                    let case = format!("{} {length:?} {size}: {text}", refusal.path);
                    // A body that is announced to be too large is refused before its first byte.
                    let (status, expect) = match (length, refusal.path) {
                        (Length::Announced, "/body") => {
                            (413, "the body is larger than 50000 bytes")
                        }
                        _ => (refusal.status, refusal.expect),
                    };
                    let head = text.split_once(' ').unwrap().1;
                    assert!(head.starts_with(&status.to_string()), "{case}");
                    assert!(text.contains(expect), "{case}");
                }
            }
        }
    }
    assert_eq!(get2(&requests, "/").await.status(), 200, "the connection is still of use");
}
