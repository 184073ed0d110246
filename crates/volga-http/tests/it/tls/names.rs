//! Several certificates, chosen by the name that the client asks for.

use volga_http::{CertificateSource, TlsError};

use super::support::{Client, Pair, TlsServer, pair};
use crate::support::connect;

fn source(pair: &Pair) -> CertificateSource {
    CertificateSource::pem(&pair.certificate, &pair.key)
}

#[tokio::test]
async fn each_client_gets_the_certificate_of_its_name_or_the_default() {
    let first = pair(&["a.example", "shared.example"]);
    let second = pair(&["b.example", "*.b.example", "shared.example"]);
    let server = TlsServer::facts(first.tls().certificate(source(&second))).await;
    for (name, expect) in [
        ("a.example", &first),
        ("b.example", &second),
        ("x.b.example", &second),
        ("shared.example", &first),
    ] {
        // The client checks the name, so it would refuse the other certificate.
        let stream = Client::trusting(&[&first, &second])
            .connect_to(name, connect(server.address).await)
            .await
            .expect(name);
        let shown = stream.get_ref().1.peer_certificates().expect("a certificate");
        assert_eq!(shown[0], expect.der(), "{name}");
    }
    // Without a name, or with an unknown one, the client gets the default.
    let client = Client::trusting(&[&first]).without_name();
    client.connect_to("a.example", connect(server.address).await).await.expect("the default");
    let unknown = Client::trusting(&[&first, &second]);
    let error = unknown
        .connect_to("c.example", connect(server.address).await)
        .await
        .expect_err("no certificate has the name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[test]
fn a_further_certificate_without_a_name_is_refused() {
    let first = pair(&["a.example"]);
    let nameless = pair(&["192.0.2.1"]);
    let error = first.tls().certificate(source(&nameless)).load().expect_err("no name");
    assert!(matches!(error, TlsError::NoName { .. }), "{error}");
    assert!(nameless.tls().certificate(source(&first)).load().is_ok(), "it may be the default");
}
