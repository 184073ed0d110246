//! Forms with files: what is read, in any pieces, and what a client learns of a fault.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;
use volga_core::{
    BoxError, Endpoint, Error, HandlerEndpoint, HttpBody, IntoResponse, RouterService,
};
use volga_web::{Multipart, MultipartBuilder};

use crate::support::{Received, pieces, send, service};

pub(crate) const TYPE: (&str, &str) = ("content-type", "multipart/form-data; boundary=b");

/// A part with this name, further parameters of its `Content-Disposition`, and content.
pub(crate) fn part(name: &str, more: &str, content: &str) -> String {
    format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n{content}\r\n")
}

pub(crate) fn form(parts: &[String]) -> String {
    format!("{}--b--\r\n", parts.concat())
}

pub(crate) async fn post(service: &RouterService, body: impl Into<HttpBody>) -> Received {
    send(service, Method::POST, "/", &[TYPE], body.into()).await
}

/// The text cut into pieces of this many bytes.
pub(crate) fn cut(text: &str, size: usize) -> HttpBody {
    let all = Bytes::from(text.to_owned());
    let ends: Vec<_> = (0..all.len()).step_by(size.max(1)).collect();
    let piece = |at: usize| Ok::<_, BoxError>(all.slice(at..(at + size).min(all.len())));
    HttpBody::from_stream(pieces(ends.into_iter().map(piece).collect::<Vec<_>>(), true))
}

/// Responds with a line for each part: its name, the names of its file, its type and its content.
fn lines(limits: fn(Multipart) -> Multipart) -> impl Endpoint {
    HandlerEndpoint::new(async move |form: Multipart| {
        let (mut form, mut all) = (limits(form), String::new());
        while let Some(mut part) = form.next().await? {
            let file = part.file_name().map(|name| name.to_string());
            let (name, raw) = (part.name().to_owned(), part.raw_file_name().map(str::to_owned));
            let content_type = part.content_type().unwrap_or("-").to_owned();
            let text = part.text().await?;
            all += &format!("{name}|{raw:?}|{file:?}|{content_type}|{text}\n");
        }
        Ok::<_, Error>(all)
    })
}

fn reader(limits: fn(Multipart) -> Multipart) -> RouterService {
    service(Method::POST, "/", lines(limits))
}

#[tokio::test]
async fn parts_are_read_in_order_whatever_pieces_the_body_has() {
    let body = form(&[
        part("a", "", "one"),
        part("empty", "", ""),
        part("ü\\\"q\\\"", "", "--b is not a boundary\r\n--c"),
        part("f", "; filename=\"C:\\dir\\x.txt\"\r\nContent-Type: text/plain", "\r\n\r\n"),
        part("g", "; filename=\"\"", ""),
    ]);
    let expect = "a|None|None|-|one\n\
        empty|None|None|-|\n\
        ü\"q\"|None|None|-|--b is not a boundary\r\n--c\n\
        f|Some(\"C:\\\\dir\\\\x.txt\")|Some(\"x.txt\")|text/plain|\r\n\r\n\n\
        g|Some(\"\")|None|-|\n";
    let service = reader(|form| form);
    for size in (1..50).chain([body.len()]) {
        assert_eq!(post(&service, cut(&body, size)).await.text(), expect, "pieces of {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// What the builder writes is what the reader reads, in pieces of any size.
    #[test]
    fn a_form_that_is_sent_is_read_back(
        fields in prop::collection::vec(("[a-zü ]{0,6}", "(\r\n|\r|\n|-|b|\\PC){0,30}", any::<bool>()), 0..6),
        size in 1_usize..200,
    ) {
        let mut builder = MultipartBuilder::new();
        let mut expect = String::new();
        for (name, text, is_file) in &fields {
            builder = match is_file {
                true => builder.bytes(name, "x.txt", text.clone()),
                false => builder.text(name, text),
            };
            let (file, kind) = match is_file {
                true => ("Some(\"x.txt\")", "text/plain; charset=utf-8"),
                false => ("None", "-"),
            };
            expect += &format!("{name}|{file}|{file}|{kind}|{text}\n");
        }
        let (content_type, body) = builder.into_content_type_and_body();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let received = runtime.block_on(async {
            let bytes = Received::new(http::Response::new(body)).await.body;
            let body = cut(std::str::from_utf8(&bytes).unwrap(), size);
            let headers = [("content-type", content_type.to_str().unwrap())];
            send(&reader(|form| form), Method::POST, "/", &headers, body).await
        });
        prop_assert_eq!(received.text(), expect);
    }
}

#[tokio::test]
async fn each_limit_is_exact_and_its_error_names_the_field_and_the_limit() {
    let ten = "1234567890";
    let two = form(&[part("first", "", ten), part("second", "", ten)]);
    for (fits, exceeds, expect) in [
        (
            reader(|form| form.with_max_part_bytes(10)),
            reader(|form| form.with_max_part_bytes(9)),
            "the field `first` is larger than 9 bytes",
        ),
        (
            reader(|form| form.with_max_part_bytes(10).with_field_limit("second", 10)),
            reader(|form| form.with_max_part_bytes(10).with_field_limit("second", 3)),
            "the field `second` is larger than 3 bytes",
        ),
        (
            reader(|form| {
                form.with_max_part_bytes(1)
                    .with_field_limit("first", 10)
                    .with_field_limit("second", 10)
            }),
            reader(|form| form.with_field_limit("first", 10).with_field_limit("second", 9)),
            "the field `second` is larger than 9 bytes",
        ),
        (
            reader(|form| form.with_max_memory(20)),
            reader(|form| form.with_max_memory(19)),
            "the field `second` makes the form larger than 19 bytes without its files",
        ),
        (
            reader(|form| form.with_max_parts(2)),
            reader(|form| form.with_max_parts(1)),
            "the form has more than 1 parts; the one before is the field `first`",
        ),
        (
            // `content-disposition: form-data; name="second"` and its line end.
            reader(|form| form.with_max_part_headers(47)),
            reader(|form| form.with_max_part_headers(46)),
            "the headers of the part after the field `first` are larger than 46 bytes",
        ),
    ] {
        for size in [1, 7, 1000] {
            assert_eq!(post(&fits, cut(&two, size)).await.status, 200, "{expect}");
            let refused = post(&exceeds, cut(&two, size)).await;
            assert_eq!(refused.status, 413, "{expect}");
            assert!(refused.text().contains(expect), "{} is not {expect}", refused.text());
        }
    }
}

#[tokio::test]
async fn the_limit_of_the_whole_body_names_the_field_that_it_cuts() {
    let service = reader(|form| form.with_max_memory(usize::MAX));
    let large = part("large", "", &"x".repeat(6 * 1024 * 1024));
    let refused = post(&service, cut(&large, 100_000)).await;
    assert_eq!(refused.status, 413);
    let expect = "the field `large`: the body is larger than 5242880 bytes";
    assert!(refused.text().contains(expect), "{}", refused.text());
}

#[tokio::test]
async fn headers_and_a_preamble_without_an_end_are_not_collected() {
    let read = Arc::new(Mutex::new(0_usize));
    for start in [
        "",
        "--b\r\nx: ",
        "--b",
        "--b\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--b\r\nx: ",
    ] {
        *read.lock().unwrap() = 0;
        let count = Arc::clone(&read);
        let endless = (0..4000).map(move |at| {
            *count.lock().unwrap() += 1;
            let piece = if at == 0 { start.to_owned() } else { " ".repeat(1000) };
            Ok::<_, BoxError>(Bytes::from(piece))
        });
        let refused = post(&reader(|form| form), HttpBody::from_stream(pieces_of(endless))).await;
        assert!([400, 413].contains(&refused.status.as_u16()), "{start}: {}", refused.status);
        // 8 KiB, and no megabytes.
        assert!(*read.lock().unwrap() < 20 || start == "--b", "{start}: {}", read.lock().unwrap());
    }
}

/// A stream that is always ready, and is only read as far as it is needed.
fn pieces_of(
    pieces: impl Iterator<Item = Result<Bytes, BoxError>> + Send + Unpin,
) -> impl futures_core::Stream<Item = Result<Bytes, BoxError>> + Send {
    crate::support::Pieces(pieces)
}

#[tokio::test]
async fn a_body_that_is_always_ready_is_read_only_as_far_as_it_is_needed() {
    let read = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&read);
    let head = part("a", "", "");
    let body = (0..1000).map(move |at| {
        *count.lock().unwrap() += 1;
        Ok::<_, BoxError>(Bytes::from(if at == 0 {
            head[..head.len() - 2].to_owned()
        } else {
            "x".repeat(1000)
        }))
    });
    let handler = async move |mut form: Multipart| {
        let mut part = form.next().await?.unwrap();
        part.chunk().await?.unwrap();
        Ok::<_, Error>(read.lock().unwrap().to_string())
    };
    let service = service(Method::POST, "/", HandlerEndpoint::new(handler));
    let count: usize =
        post(&service, HttpBody::from_stream(pieces_of(body))).await.text().parse().unwrap();
    assert!(count <= 3, "{count} pieces were read");
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let service = reader(|form| form);
    let good = form(&[part("a", "", "1")]);
    for (content_type, status) in [
        ("multipart/form-data; boundary=b", 200),
        ("Multipart/Form-Data;boundary=\"b\"; charset=utf-8", 200),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("application/json", 415),
        ("multipart/mixed; boundary=b", 415),
        ("", 415),
    ] {
        let headers = [("content-type", content_type)];
        let got = send(&service, Method::POST, "/", &headers, good.clone().into()).await;
        assert_eq!(got.status.as_u16(), status, "{content_type}: {}", got.text());
    }
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    let long =
        send(&service, Method::POST, "/", &[("content-type", &long)], HttpBody::empty()).await;
    assert_eq!(long.status, 400);
    for body in [
        "".to_owned(),
        "text".to_owned(),
        part("a", "", "1"),
        good.replace("--b--", "--b"),
        good.replace("\r\n", "\n"),
        good.replace("name=\"a\"", "x=\"a\""),
        good.replace("content-disposition", "content disposition"),
        form(&[part("a", &"\r\nx: y".repeat(40), "1")]),
    ] {
        for size in [1, 1000] {
            let refused = post(&service, cut(&body, size)).await;
            assert_eq!(refused.status, 400, "{body:?}: {}", refused.text());
        }
    }
    // Every start of a form is incomplete, and no panic or endless wait.
    for end in 0..good.len() - 2 {
        let status = post(&service, cut(&good[..end], 5)).await.status;
        assert!(status == 400 || good[..end].ends_with("--b--"), "{end}: {status}");
    }
}

#[tokio::test]
async fn a_saved_part_has_its_last_component_as_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("a/b");
    std::fs::create_dir_all(&root).unwrap();
    let into = root.clone();
    let save = async move |mut form: Multipart| {
        let mut part = form.next().await?.unwrap();
        Ok::<_, Error>(part.save_in(&into).await?.name.to_string())
    };
    let service = service(Method::POST, "/", HandlerEndpoint::new(save));
    for (raw, name) in [
        ("x.txt", "x.txt"),
        ("../../x.txt", "x.txt"),
        ("/etc/passwd", "passwd"),
        ("C:\\\\x.txt", "x.txt"),
        ("C:x.txt", "C_x.txt"),
        ("..\\\\..\\\\y", "y"),
        ("nul", "_nul"),
        ("a%2F..%2Fb", "a%2F..%2Fb"),
    ] {
        let saved = post(&service, form(&[part("f", &format!("; filename=\"{raw}\""), "1")])).await;
        assert_eq!((saved.status.as_u16(), saved.text()), (200, name), "{raw}");
        assert!(root.join(name).is_file());
    }
    for raw in ["", "..", ".", "a/", "/"] {
        let refused =
            post(&service, form(&[part("f", &format!("; filename=\"{raw}\""), "1")])).await;
        assert_eq!(refused.status, 400, "{raw}");
        assert!(refused.text().contains("the field `f` has no name of a file"));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_form_with_files_of_the_disk_is_sent_with_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ü\".txt");
    std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
    let response = MultipartBuilder::new().text("a", "1").file("f", &path).await.unwrap();
    let response = response.into_response().unwrap();
    let length = http_body::Body::size_hint(response.body()).exact().unwrap();
    let received = Received::new(response).await;
    assert_eq!(received.body.len() as u64, length);
    assert!(received.header("content-type").starts_with("multipart/form-data; boundary=volga-"));
    assert!(received.text().contains("filename=\"ü%22.txt\"\r\ncontent-type: text/plain"));
    let missing = MultipartBuilder::new().file("f", folder.path().join("none")).await;
    assert_eq!(missing.unwrap_err().status(), 404);
}
