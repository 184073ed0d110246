//! Certificates that change while the server runs.

use volga_http::{Server, Tls};

use http::Response;

use super::support::{Client, Pair, TestBody, connect_quic, endpoint, serve_with, within};

#[tokio::test]
async fn a_reloaded_certificate_is_that_of_new_connections() {
    let folder = std::env::temp_dir().join(format!("volga-h3-reload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let write = |pair: &Pair| {
        std::fs::write(&certificate, &pair.certificate).expect("a file");
        std::fs::write(&key, &pair.key).expect("a file");
    };
    let (old, new) = (Pair::new(), Pair::new());
    write(&old);
    let tls = Tls::pem_files(&certificate, &key);
    let handle = tls.handle();
    let tls = tls.load().expect("valid");
    let server = serve_with(Server::new(), &tls, async |_| Response::new(TestBody::full("hello")));
    let mut before = Client::over(connect_quic(server.address, &old).await).await;
    assert_eq!(before.get("/").await.1, "hello");
    write(&new);
    within(handle.reload()).await.expect("valid");
    let mut after = Client::over(connect_quic(server.address, &new).await).await;
    assert_eq!(after.get("/").await.1, "hello");
    assert_eq!(before.get("/").await.1, "hello", "an open connection stays");
    let refused = endpoint().connect_with(old.client(), server.address, "localhost");
    assert!(within(refused.expect("valid")).await.is_err(), "the old certificate is gone");
    std::fs::remove_dir_all(&folder).expect("the folder is there");
}
