//! Compressed request bodies: every coding, every cut, and every fault.

use std::io::Write;

use bytes::Bytes;
use http::Method;
use proptest::prelude::*;
use volga_core::{
    BodyLimit, Error, Form, HandlerEndpoint, HttpBody, Json, Router, RouterService, ScopeId,
    SettingsLevel,
};
use volga_web::{
    ContentCoding, DECOMPRESSION_RATIO_SLACK, Decompression, MAX_CONTENT_CODINGS, Multipart,
};

use crate::support::{Received, pieces, send};

fn encode(coding: ContentCoding, bytes: &[u8]) -> Vec<u8> {
    match coding {
        ContentCoding::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ContentCoding::Deflate => {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ContentCoding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 20);
            encoder.write_all(bytes).unwrap();
            encoder.into_inner()
        }
        ContentCoding::Zstd => zstd::stream::encode_all(bytes, 3).unwrap(),
    }
}

/// Applies codings one after the other.
fn encode_all(codings: &[ContentCoding], bytes: &[u8]) -> Vec<u8> {
    codings.iter().fold(bytes.to_vec(), |bytes, coding| encode(*coding, &bytes))
}

fn names(codings: &[ContentCoding]) -> String {
    codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(", ")
}

/// Each route reads a body in another way, and responds with what it has read.
fn service_with(decompression: Decompression, limit: BodyLimit) -> RouterService {
    let mut router = Router::new();
    let root = SettingsLevel::Scope(ScopeId::ROOT);
    router.add_middleware(root, decompression);
    router.set_body_limit(root, limit);
    router.map(Method::POST, "/bytes", HandlerEndpoint::new(async |bytes: Bytes| bytes));
    router.map(
        Method::POST,
        "/stream",
        HandlerEndpoint::new(async |mut body: HttpBody| {
            let mut length = 0;
            while let Some(piece) = body.next().await {
                length += piece?.len();
            }
            Ok::<_, Error>(length)
        }),
    );
    let json = async |Json(value): Json<Vec<u32>>| value.iter().sum::<u32>();
    router.map(Method::POST, "/json", HandlerEndpoint::new(json));
    let form = async |Form(fields): Form<Vec<(String, String)>>| format!("{fields:?}");
    router.map(Method::POST, "/form", HandlerEndpoint::new(form));
    let multipart = async |mut form: Multipart| {
        let mut texts = String::new();
        while let Some(mut part) = form.next().await? {
            texts += &part.text().await?;
        }
        Ok::<_, Error>(texts)
    };
    router.map(Method::POST, "/multipart", HandlerEndpoint::new(multipart));
    router.into_service().unwrap()
}

fn service() -> RouterService {
    service_with(Decompression::new(), BodyLimit::default())
}

async fn post(service: &RouterService, path: &str, coding: &str, body: HttpBody) -> Received {
    let kind = match path {
        "/json" => "application/json",
        "/form" => "application/x-www-form-urlencoded",
        "/multipart" => "multipart/form-data; boundary=XX",
        _ => "text/plain",
    };
    let headers = [("content-encoding", coding), ("content-type", kind)];
    send(service, Method::POST, path, &headers, body).await
}

async fn bytes(service: &RouterService, coding: &str, body: impl Into<Bytes>) -> Received {
    post(service, "/bytes", coding, HttpBody::full(body)).await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn any_codings() -> impl Strategy<Value = Vec<ContentCoding>> {
    let coding = prop::sample::select(ContentCoding::ALL.to_vec());
    prop::collection::vec(coding, 1..=MAX_CONTENT_CODINGS)
}

fn any_plain() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-e ]{0,300}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..3000),
        (0_usize..200_000, any::<u8>()).prop_map(|(size, byte)| vec![byte; size]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_body_is_read_whatever_its_codings_and_its_cuts(
        codings in any_codings(),
        plain in any_plain(),
        cut in 1_usize..4000,
    ) {
        let sent = encode_all(&codings, &plain);
        let cuts: Vec<_> = sent.chunks(cut).map(|cut| Ok(Bytes::copy_from_slice(cut))).collect();
        let body = HttpBody::from_stream(pieces(cuts, true));
        let received = block_on(post(&service(), "/bytes", &names(&codings), body));
        prop_assert_eq!(received.status, 200);
        prop_assert!(received.body == plain);
    }

    #[test]
    fn a_body_without_its_end_or_with_more_after_it_is_refused(
        codings in any_codings(),
        plain in "[a-z]{1,200}",
        kept in 0.0..1.0_f64,
        extra in "[a-z]{1,20}",
    ) {
        let sent = encode_all(&codings, plain.as_bytes());
        let kept = 1 + (kept * (sent.len() - 1) as f64) as usize;
        let names = names(&codings);
        let truncated = sent[..kept].to_vec();
        let longer = [&sent[..], extra.as_bytes()].concat();
        for (sent, is_whole) in [(truncated, kept == sent.len()), (longer, false)] {
            let received = block_on(bytes(&service(), &names, sent));
            let expect = if is_whole { 200 } else { 400 };
            prop_assert_eq!(received.status.as_u16(), expect, "{} {}", &names, received.text());
        }
    }

    #[test]
    fn a_damaged_body_is_read_or_refused(
        codings in any_codings(),
        plain in "[a-z]{1,200}",
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut sent = encode_all(&codings, plain.as_bytes());
        *at.get_mut(&mut sent) = byte;
        let received = block_on(bytes(&service(), &names(&codings), sent));
        prop_assert!([200, 400, 413].contains(&received.status.as_u16()), "{}", received.status);
    }
}

#[tokio::test]
async fn every_reader_gets_plain_bytes() {
    let service = service();
    let form_data = "--XX\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\ntea\r\n--XX--\r\n";
    for coding in ContentCoding::ALL {
        for (path, plain, expect) in [
            ("/bytes", "tea", "tea"),
            ("/stream", "tea", "3"),
            ("/json", "[1, 2, 3]", "6"),
            ("/form", "a=1&b=2", "[(\"a\", \"1\"), (\"b\", \"2\")]"),
            ("/multipart", form_data, "tea"),
        ] {
            let sent = encode(coding, plain.as_bytes());
            let received = post(&service, path, coding.name(), HttpBody::full(sent)).await;
            assert_eq!((received.status.as_u16(), received.text()), (200, expect), "{path}");
            let mut damaged = encode(coding, plain.as_bytes());
            damaged.truncate(damaged.len() / 2);
            let received = post(&service, path, coding.name(), HttpBody::full(damaged)).await;
            assert_eq!(received.status, 400, "{path}: {}", received.text());
            assert!(received.text().contains(coding.name()), "{path}: {}", received.text());
        }
    }
}

#[tokio::test]
async fn members_frames_empty_bodies_and_deflate_without_a_header_are_read() {
    let service = service();
    for coding in [ContentCoding::Gzip, ContentCoding::Zstd] {
        let members: Vec<u8> =
            ["one ", "", "two"].iter().flat_map(|text| encode(coding, text.as_bytes())).collect();
        assert_eq!(bytes(&service, coding.name(), members).await.text(), "one two");
    }
    for coding in ContentCoding::ALL {
        assert_eq!(bytes(&service, coding.name(), "").await.text(), "");
        let nothing = bytes(&service, coding.name(), encode(coding, b"")).await;
        assert_eq!((nothing.status.as_u16(), nothing.text()), (200, ""));
    }
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    raw.write_all(b"raw").unwrap();
    assert_eq!(bytes(&service, "deflate", raw.finish().unwrap()).await.text(), "raw");
    assert_eq!(bytes(&service, "identity", "plain").await.text(), "plain");
}

#[tokio::test]
async fn an_unknown_coding_is_refused_with_the_known_ones() {
    for coding in ["rot13", "gzip, rot13", "gzip, gzip, gzip", "*"] {
        let received = bytes(&service(), coding, "x").await;
        assert_eq!(received.status, 415, "{coding}");
        assert_eq!(received.header("accept-encoding"), "zstd, br, gzip, deflate");
        assert!(received.text().contains("content coding"), "{}", received.text());
    }
}

#[tokio::test]
async fn the_limit_of_the_body_holds_for_the_plain_bytes() {
    let text = |size: usize| -> Vec<u8> { b"abcdefg".iter().copied().cycle().take(size).collect() };
    let service = service_with(Decompression::new(), BodyLimit::from(10_000));
    for codings in [&[ContentCoding::Gzip][..], &[ContentCoding::Zstd, ContentCoding::Brotli]] {
        for path in ["/bytes", "/stream"] {
            for (size, status) in [(9_999, 200), (10_000, 200), (10_001, 413), (500_000, 413)] {
                let sent = HttpBody::full(encode_all(codings, &text(size)));
                let received = post(&service, path, &names(codings), sent).await;
                assert_eq!(received.status.as_u16(), status, "{path} {size}");
                if status == 413 {
                    let expect = "larger than 10000 bytes";
                    assert!(received.text().contains(expect), "{}", received.text());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_bomb_is_refused_by_its_ratio_even_without_a_limit() {
    let bomb = vec![0; 8 * 1024 * 1024];
    for coding in ContentCoding::ALL {
        let sent = encode(coding, &bomb);
        let twice = encode(coding, &sent);
        let service = service_with(Decompression::new(), BodyLimit::UNLIMITED);
        for (coding, sent) in
            [(coding.name().to_owned(), &sent), (names(&[coding, coding]), &twice)]
        {
            let received = post(&service, "/stream", &coding, HttpBody::full(sent.clone())).await;
            assert_eq!(received.status, 413, "{coding}: {}", received.text());
            assert!(received.text().contains("100 times larger"), "{}", received.text());
        }
        let ratio = Decompression::new().max_ratio(u32::MAX);
        let patient = service_with(ratio, BodyLimit::UNLIMITED);
        let received = post(&patient, "/stream", coding.name(), HttpBody::full(sent)).await;
        assert_eq!(received.text(), bomb.len().to_string());
    }
}

#[tokio::test]
async fn the_ratio_does_not_count_for_small_bodies() {
    let service = service();
    for (size, status) in
        [(DECOMPRESSION_RATIO_SLACK, 200), (DECOMPRESSION_RATIO_SLACK + 1_000_000, 413)]
    {
        let sent = encode(ContentCoding::Brotli, &vec![b'x'; size]);
        assert_eq!(bytes(&service, "br", sent).await.status.as_u16(), status, "{size}");
    }
}

#[tokio::test]
async fn a_reader_gets_bytes_before_the_body_has_ended() {
    let mut router = Router::new();
    router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), Decompression::new());
    router.map(
        Method::POST,
        "/first",
        HandlerEndpoint::new(async |mut body: HttpBody| body.next().await.unwrap()),
    );
    let service = router.into_service().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(b"first").unwrap();
    encoder.flush().unwrap();
    // The rest of the body never comes.
    let body = HttpBody::from_stream(pieces([Ok(encoder.get_ref().clone().into())], false));
    let received = post(&service, "/first", "gzip", body).await;
    assert_eq!((received.status.as_u16(), received.text()), (200, "first"));
}
