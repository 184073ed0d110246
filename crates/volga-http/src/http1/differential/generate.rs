//! Generates what is sent to both servers: valid requests, and the mutations that break them.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The position of a piece of text, whether it overwrites what is there, and the text.
pub(super) type Mutation = (Index, bool, &'static str);

/// A valid request, with unusual features that are allowed.
pub(super) fn request() -> impl Strategy<Value = Vec<u8>> {
    let line = (
        select(vec!["GET", "POST", "PUT", "OPTIONS", "HEAD", "X-OWN"]),
        select(vec!["/", "/a?b=c&d", "/%20", "http://a/abs", "/a#b", "//", "/\u{e9}"]),
    );
    let odd = vec![
        "accept: */*\r\n",
        "x-empty:\r\n",
        "X-Blanks: \t a  b \t\r\n",
        "cookie: a=1\r\nCookie: b=2\r\n",
        "x-bytes: \u{e9}\r\n",
        "connection: keep-alive, x\r\n",
        "te: trailers\r\n",
        "expect: 100-continue\r\n",
        "upgrade: h2c\r\n",
        "x-lf: 1\n",
    ];
    let body = select(vec![
        "\r\n",
        "content-length: 0\r\n\r\n",
        "content-length: 5\r\n\r\nhello",
        "content-length: 0005\r\ncontent-length: 5\r\n\r\nGET /",
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n1 \t;x\r\na\r\n0\r\nx-sum: 1\r\nX-Sum: 2\r\n\r\n",
    ]);
    (line, prop::collection::vec(select(odd), 0..4), body).prop_map(
        |((method, target), odd, body)| {
            format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{}{body}", odd.concat()).into_bytes()
        },
    )
}

/// Mutations that may break a valid request: pieces of text that matter to a parser, which
/// overwrite others or stand between them.
pub(super) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let pieces = vec![
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "\0",
        " ",
        "\t",
        ":",
        ",",
        ";",
        "0",
        "5",
        "f",
        "+",
        "x",
        "\u{7f}",
        "\u{e9}",
        "HTTP/1.0",
        "content-length: 3\r\n",
        "content-length: 4, 4\r\n",
        "host: b\r\n",
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "connection: close\r\n",
        "chunked, ",
    ];
    prop::collection::vec((any::<Index>(), any::<bool>(), select(pieces)), 0..4)
}

pub(super) fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for (index, is_over, piece) in mutations {
        let at = index.index(bytes.len() + 1);
        let end = if *is_over { bytes.len().min(at + piece.len()) } else { at };
        bytes.splice(at..end, piece.bytes());
    }
}

/// The size of the pieces into which the bytes are cut.
pub(super) fn size() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), 1..100_usize, Just(usize::MAX)]
}
