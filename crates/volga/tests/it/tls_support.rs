//! Certificates, and apps that listen on several addresses.

use std::net::SocketAddr;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::task::JoinHandle;
use volga::{App, ShutdownHandle, tls::Tls};

/// A self-signed certificate for `localhost`, and its key.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::pem(&self.certificate, &self.key)
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// A running app with its TCP addresses, in the order of its listeners.
pub(crate) struct Running {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) end: JoinHandle<std::io::Result<()>>,
}

pub(crate) async fn run(app: App) -> Running {
    let (app, shutdown) = app.without_greeter().with_shutdown();
    let app = app.listen().await.unwrap();
    let addresses = app.addresses().iter().map(|address| address.tcp().unwrap()).collect();
    Running { addresses, shutdown, end: tokio::spawn(app.run()) }
}
