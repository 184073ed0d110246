//! Certificates of clients.

use http::{Request, Response};
use tokio::io::AsyncReadExt;
use volga_http::{ClientRoots, ConnectionInfo, RequestBody, Server, Tls};

use super::support::{Client, Pair, TlsServer, pair};
use crate::support::{GET, TestBody, read_until, send, within};

/// Responds with the number of certificates and the bytes of the first.
async fn certificate(request: Request<RequestBody>) -> Response<TestBody> {
    let info: &ConnectionInfo = request.extensions().get().expect("an extension");
    let certificates = &info.tls().expect("TLS").client_certificates;
    let first = certificates.first().map_or("none".to_owned(), |der| format!("{:?}", &der[..]));
    Response::new(TestBody::full(format!("{} {first}!", certificates.len())))
}

async fn response(server: &TlsServer, client: &Client) -> Option<String> {
    let mut stream = client.connect(server.address).await.ok()?;
    // On TLS 1.3 the client learns only now that the server has refused it.
    tokio::io::AsyncWriteExt::write_all(&mut stream, GET).await.ok()?;
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with('!') {
        if within(stream.read(&mut byte)).await.ok()? == 0 {
            return None;
        }
        text.push(char::from(byte[0]));
    }
    text.split("\r\n\r\n").nth(1).map(str::to_owned)
}

#[tokio::test]
async fn a_certificate_is_required_or_requested_and_handlers_get_it() {
    let own = pair(&["localhost"]);
    let [known, unknown] = [pair(&["client"]), pair(&["other"])];
    let roots = || ClientRoots::pem(&known.certificate);
    let start = |tls: Tls| TlsServer::start(Server::new(), tls, certificate);
    let required = start(own.tls().require_client_certificates(roots())).await;
    let requested = start(own.tls().request_client_certificates(roots())).await;
    let neither = start(own.tls()).await;

    let with = |pair: &Pair| Client::with_certificate(&own, pair);
    let without = Client::trusting(&[&own]);
    let shown = Some(format!("1 {:?}!", &known.der()[..]));
    let none = Some("0 none!".to_owned());
    for (server, of_known, of_unknown, of_none) in [
        (&required, &shown, &None, &None),
        (&requested, &shown, &None, &none),
        (&neither, &none, &none, &none),
    ] {
        assert_eq!(&response(server, &with(&known)).await, of_known);
        assert_eq!(&response(server, &with(&unknown)).await, of_unknown);
        assert_eq!(&response(server, &without).await, of_none);
    }
}

/// A resumed session would not check the certificate again.
#[tokio::test]
async fn sessions_with_client_certificates_are_not_resumed() {
    let [own, known] = [pair(&["localhost"]), pair(&["client"])];
    let roots = ClientRoots::pem(&known.certificate);
    let server = TlsServer::facts(own.tls().require_client_certificates(roots)).await;
    let client = Client::with_certificate(&own, &known);
    for _ in 0..3 {
        let mut stream = client.connect(server.address).await.expect("TLS");
        send(&mut stream, GET).await;
        read_until(&mut stream, "!").await;
        let kind = stream.get_ref().1.handshake_kind();
        assert_ne!(kind, Some(rustls::HandshakeKind::Resumed));
    }
}

#[test]
fn roots_that_are_no_certificates_are_an_error_that_says_so() {
    let own = pair(&["localhost"]);
    for text in [String::new(), own.key.clone()] {
        let roots = ClientRoots::pem(text);
        let error = own.tls().require_client_certificates(roots).load().expect_err("no roots");
        assert!(error.to_string().contains("has no certificate"), "{error}");
    }
}
