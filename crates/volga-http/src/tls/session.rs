//! The TLS layer of one connection, without its socket: bytes go in, and bytes come out. Pure.
//!
//! rustls offers a connection with buffers of its own, and one without. This uses the one without,
//! because the other keeps 4 KiB for each connection, as long as it is open. An event stream waits
//! most of its time, and then holds no buffer at all.

use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes, BytesMut};
use rustls::server::{
    ClientHello, ResolvesServerCert, ServerConnectionData, UnbufferedServerConnection,
};
use rustls::sign::CertifiedKey;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ProtocolVersion, ServerConfig};

use crate::connection::info::TlsInfo;
use crate::limits::TLS_INCOMPLETE_BYTES;

/// How many bytes a record has beyond its content, at most.
const RECORD_OVERHEAD: usize = 5 + 8 + 16;
const RECORD_CONTENT: usize = 16 * 1024;

/// The state of a TLS connection. The buffers are empty, and hold no memory, unless something waits
/// in them.
pub(crate) struct TlsSession {
    rustls: UnbufferedServerConnection,
    server_name: Arc<NotedName>,
    /// Received records that are not complete.
    incomplete: BytesMut,
    /// Decrypted bytes that were not read.
    decrypted: BytesMut,
    /// Records that the socket has not accepted.
    output: BytesMut,
    /// The client has sent `close_notify`.
    has_ended: bool,
    /// The client has broken the protocol. Nothing more is received or encrypted.
    is_broken: bool,
}

/// The client has broken the protocol, or the keys are used up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Protocol(#[from] rustls::Error),
    #[error("the client sends a TLS message of more than {TLS_INCOMPLETE_BYTES} bytes")]
    TooLarge,
    #[error("the TLS connection has ended")]
    Ended,
}

/// The bytes or the message to encrypt next.
#[derive(Clone, Copy)]
enum Outgoing<'a> {
    Nothing,
    Data(&'a [u8]),
    CloseNotify,
}

impl TlsSession {
    /// A connection that expects the first bytes of its client.
    pub(crate) fn new(config: &ServerConfig) -> Result<Self, SessionError> {
        let mut config = config.clone();
        let server_name = Arc::new(NotedName {
            certificates: Arc::clone(&config.cert_resolver),
            name: OnceLock::new(),
        });
        config.cert_resolver = Arc::<NotedName>::clone(&server_name);
        // An attacker can repeat early data, and handlers could not tell.
        config.max_early_data_size = 0;
        Ok(Self {
            rustls: UnbufferedServerConnection::new(Arc::new(config))?,
            server_name,
            incomplete: BytesMut::new(),
            decrypted: BytesMut::new(),
            output: BytesMut::new(),
            has_ended: false,
            is_broken: false,
        })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.rustls.is_handshaking()
    }

    /// Whether the client has said that it sends nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The results of the handshake.
    pub(crate) fn info(&self) -> TlsInfo {
        let version = match self.rustls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3".into()),
            Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2".into()),
            other => other.map(|version| format!("{version:?}").into()),
        };
        TlsInfo {
            alpn: self.rustls.alpn_protocol().map(|name| match name {
                // No allocation for the usual names.
                b"h2" => Bytes::from_static(b"h2"),
                b"http/1.1" => Bytes::from_static(b"http/1.1"),
                other => Bytes::copy_from_slice(other),
            }),
            version,
            server_name: self.server_name.name.get().cloned(),
            client_certificates: self
                .rustls
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|certificate| Bytes::copy_from_slice(certificate))
                .collect(),
        }
    }

    /// Decrypts bytes that were received. Their content waits for [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// The client has broken the protocol. The alert that says so is in [`output`](Self::output).
    pub(crate) fn receive(&mut self, received: &mut [u8]) -> Result<(), SessionError> {
        if self.incomplete.is_empty() {
            // The usual case: whole records, which need no buffer.
            let used = self.process(received, Outgoing::Nothing)?;
            if used < received.len() {
                self.incomplete = BytesMut::from(&received[used..]);
            }
        } else {
            self.incomplete.extend_from_slice(received);
            self.process_incomplete(Outgoing::Nothing)?;
        }
        if self.incomplete.len() > TLS_INCOMPLETE_BYTES {
            self.is_broken = true;
            return Err(SessionError::TooLarge);
        }
        Ok(())
    }

    /// The decrypted bytes that were not read.
    pub(crate) fn decrypted(&self) -> &[u8] {
        &self.decrypted
    }

    /// Drops the first decrypted bytes, because they were read.
    pub(crate) fn consume(&mut self, count: usize) {
        drop_first(&mut self.decrypted, count);
    }

    /// Encrypts bytes, in as few records as their number allows.
    ///
    /// # Errors
    ///
    /// The connection has ended, or its keys may not encrypt more.
    pub(crate) fn encrypt(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.process_incomplete(Outgoing::Data(bytes))
    }

    /// Encrypts the message that says that the server sends nothing more. A second call does
    /// nothing.
    pub(crate) fn encrypt_close_notify(&mut self) -> Result<(), SessionError> {
        self.process_incomplete(Outgoing::CloseNotify)
    }

    /// The records that the socket has not accepted.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Drops the first bytes of the output, because the socket has accepted them.
    pub(crate) fn sent(&mut self, count: usize) {
        drop_first(&mut self.output, count);
    }

    fn process_incomplete(&mut self, outgoing: Outgoing<'_>) -> Result<(), SessionError> {
        // rustls must see the incomplete records again even if nothing was added to them.
        let mut incomplete = std::mem::take(&mut self.incomplete);
        let used = self.process(&mut incomplete, outgoing)?;
        drop_first(&mut incomplete, used);
        self.incomplete = incomplete;
        Ok(())
    }

    /// Does everything that the received bytes allow, and returns how many of them were used.
    fn process(
        &mut self,
        received: &mut [u8],
        outgoing: Outgoing<'_>,
    ) -> Result<usize, SessionError> {
        if self.is_broken {
            return Err(SessionError::Ended);
        }
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.rustls.process_tls_records(&mut received[used..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        self.decrypted.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.output),
                // It is in the output, and everything after it comes later.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.has_ended = true,
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    write(traffic, outgoing, &mut self.output)?;
                    return Ok(used + discard);
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
                    return match outgoing {
                        Outgoing::Data(_) => Err(SessionError::Ended),
                        Outgoing::Nothing | Outgoing::CloseNotify => Ok(used + discard),
                    };
                }
                // Early data, which the configuration refuses.
                Ok(_) => return Err(self.fail(SessionError::Ended)),
                Err(error) => return Err(self.fail(error.into())),
            }
            used += discard;
        }
    }

    /// Ends the connection because of an error of the client. The alert goes into the output.
    fn fail(&mut self, error: SessionError) -> SessionError {
        self.is_broken = true;
        // While there is output, rustls returns it before it looks at the input.
        while self.rustls.wants_write() {
            let UnbufferedStatus { state, .. } = self.rustls.process_tls_records(&mut []);
            match state {
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.output),
                _ => break,
            }
        }
        error
    }
}

impl std::fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSession")
            .field("incomplete", &self.incomplete.len())
            .field("decrypted", &self.decrypted.len())
            .field("output", &self.output.len())
            .finish_non_exhaustive()
    }
}

/// Adds a message of the handshake to the output.
fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, output: &mut BytesMut) {
    let start = output.len();
    // Without space, rustls says how much it needs.
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        output.resize(start + size.required_size, 0);
        let written = data.encode(&mut output[start..]).unwrap_or(0);
        output.truncate(start + written);
    }
}

/// Adds encrypted records to the output.
fn write(
    mut traffic: WriteTraffic<'_, ServerConnectionData>,
    outgoing: Outgoing<'_>,
    output: &mut BytesMut,
) -> Result<(), SessionError> {
    let start = output.len();
    let mut space = match outgoing {
        Outgoing::Nothing => return Ok(()),
        Outgoing::Data(bytes) => {
            bytes.len() + bytes.len().div_ceil(RECORD_CONTENT) * RECORD_OVERHEAD
        }
        Outgoing::CloseNotify => RECORD_OVERHEAD + 2,
    };
    loop {
        output.resize(start + space, 0);
        let written = match outgoing {
            Outgoing::Nothing => Ok(0),
            Outgoing::Data(bytes) => traffic.encrypt(bytes, &mut output[start..]),
            Outgoing::CloseNotify => traffic.queue_close_notify(&mut output[start..]),
        };
        match written {
            Ok(written) => {
                output.truncate(start + written);
                return Ok(());
            }
            // Another message goes first, such as new keys.
            Err(EncryptError::InsufficientSize(size)) if size.required_size > space => {
                space = size.required_size;
            }
            Err(_) => {
                output.truncate(start);
                return Err(SessionError::Ended);
            }
        }
    }
}

/// Drops the first bytes, and the memory with the last of them.
fn drop_first(buffer: &mut BytesMut, count: usize) {
    if count == buffer.len() {
        *buffer = BytesMut::new();
    } else {
        buffer.advance(count);
    }
}

/// The certificates, and the name for which the client of one connection has asked. rustls does not
/// tell the name later.
#[derive(Debug)]
struct NotedName {
    certificates: Arc<dyn ResolvesServerCert>,
    name: OnceLock<Arc<str>>,
}

impl ResolvesServerCert for NotedName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            self.name.get_or_init(|| name.into());
        }
        self.certificates.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.certificates.only_raw_public_keys()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use proptest::prelude::*;
    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

    use super::*;

    /// The configurations of a server and of a client that trusts it.
    fn configs(
        version: &'static SupportedProtocolVersion,
        client_record: Option<usize>,
    ) -> (ServerConfig, ClientConfig) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        let certificate = CertificateDer::from(made.cert.der().to_vec());
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .expect("a key that fits");
        server.alpn_protocols = vec![b"h2".to_vec(), b"other".to_vec()];
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a certificate");
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"other".to_vec()];
        client.max_fragment_size = client_record;
        (server, client)
    }

    /// A client and a server, and the sizes in which their bytes arrive.
    struct Ends {
        server: TlsSession,
        client: ClientConnection,
        client_received: Vec<u8>,
        cuts: Vec<usize>,
        cut: usize,
    }

    impl Ends {
        fn new(
            version: &'static SupportedProtocolVersion,
            client_record: Option<usize>,
            cuts: Vec<usize>,
        ) -> Self {
            let (server, client) = configs(version, client_record);
            let name = "localhost".try_into().expect("a name");
            Self {
                server: TlsSession::new(&server).expect("a session"),
                client: ClientConnection::new(Arc::new(client), name).expect("a session"),
                client_received: Vec::new(),
                cuts,
                cut: 0,
            }
        }

        fn next_cut(&mut self) -> usize {
            self.cut += 1;
            self.cuts[self.cut % self.cuts.len()]
        }

        /// Gives each end what the other has sent, until neither sends anything.
        fn exchange(&mut self) -> Result<(), SessionError> {
            loop {
                let mut bytes = Vec::new();
                while self.client.wants_write() {
                    self.client.write_tls(&mut bytes).expect("memory");
                }
                if bytes.is_empty() && self.server.output().is_empty() {
                    return Ok(());
                }
                let mut rest = &mut bytes[..];
                while !rest.is_empty() {
                    let size = self.next_cut().min(rest.len());
                    let (now, later) = rest.split_at_mut(size);
                    self.server.receive(now)?;
                    rest = later;
                }
                while !self.server.output().is_empty() {
                    let size = self.next_cut().min(self.server.output().len());
                    let mut now = &self.server.output()[..size];
                    while !now.is_empty() {
                        self.client.read_tls(&mut now).expect("memory");
                        self.client.process_new_packets().expect("records");
                        // It fails when there is no more to read yet. What it has read is kept.
                        let _ = self.client.reader().read_to_end(&mut self.client_received);
                    }
                    self.server.sent(size);
                }
            }
        }

        fn handshake(&mut self) {
            self.exchange().expect("a handshake");
            assert!(!self.server.is_handshaking() && !self.client.is_handshaking());
        }

        /// Sends bytes from the server, and checks that the client has received them.
        fn check_to_client(&mut self, bytes: &[u8]) {
            self.server.encrypt(bytes).expect("open");
            self.exchange().expect("records");
            assert!(std::mem::take(&mut self.client_received) == bytes, "other bytes");
        }

        /// Sends bytes from the client, and checks that the server has received them.
        fn check_to_server(&mut self, bytes: &[u8]) {
            let mut received = Vec::new();
            for part in bytes.chunks(16 * 1024) {
                self.client.writer().write_all(part).expect("memory");
                self.exchange().expect("records");
                received.extend_from_slice(self.server.decrypted());
                self.server.consume(self.server.decrypted().len());
            }
            assert!(received == bytes, "other bytes");
        }

        /// Checks that nothing waits, and that no buffer holds memory for it.
        fn check_idle(&self) {
            let TlsSession { incomplete, decrypted, output, .. } = &self.server;
            for buffer in [incomplete, decrypted, output] {
                assert_eq!(buffer.capacity(), 0);
            }
        }
    }

    fn version() -> impl Strategy<Value = &'static SupportedProtocolVersion> {
        prop_oneof![Just(&TLS12), Just(&TLS13)]
    }

    /// The sizes of reads: single bytes, ends in the middle of anything, and whole flights.
    fn cuts() -> impl Strategy<Value = Vec<usize>> {
        prop::collection::vec(prop_oneof![1..8_usize, 1..600_usize, Just(40_000)], 1..20)
    }

    /// The largest record of the client. With a small one, every message of the handshake comes in
    /// several records.
    fn client_record() -> impl Strategy<Value = Option<usize>> {
        prop_oneof![Just(None), (32..300_usize).prop_map(Some)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn bytes_arrive_unchanged_in_both_directions_wherever_they_are_cut(
            version in version(),
            cuts in cuts(),
            client_record in client_record(),
            sizes in prop::collection::vec(prop_oneof![1..200_usize, 1..70_000_usize], 1..6),
        ) {
            let mut ends = Ends::new(version, client_record, cuts);
            ends.handshake();
            for (number, size) in sizes.into_iter().enumerate() {
                let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + number) as u8).collect();
                if number == 2 && version.version == ProtocolVersion::TLSv1_3 {
                    ends.client.refresh_traffic_keys().expect("TLS 1.3");
                }
                ends.check_to_client(&bytes);
                ends.check_to_server(&bytes);
                ends.check_idle();
            }
            let info = ends.server.info();
            assert_eq!(info.server_name.as_deref(), Some("localhost"));
            assert_eq!(info.alpn.as_deref(), Some(&b"other"[..]));
        }

        #[test]
        fn either_end_may_close_first_and_the_other_notices(
            version in version(),
            cuts in cuts(),
            server_first in any::<bool>(),
        ) {
            let mut ends = Ends::new(version, None, cuts);
            ends.handshake();
            if server_first {
                ends.server.encrypt_close_notify().expect("open");
                ends.server.encrypt_close_notify().expect("the same");
                ends.exchange().expect("records");
                assert_eq!(ends.client.reader().read(&mut [0]).expect("the end"), 0);
            }
            assert!(!ends.server.has_ended());
            ends.client.send_close_notify();
            ends.exchange().expect("records");
            assert!(ends.server.has_ended());
            if !server_first {
                // The client may still be reading.
                ends.check_to_client(b"the last words");
            }
            ends.server.encrypt_close_notify().expect("open");
        }

        #[test]
        fn a_changed_byte_ends_the_connection_or_changes_nothing(
            version in version(),
            cuts in cuts(),
            client_record in client_record(),
            in_handshake in any::<bool>(),
            at in any::<prop::sample::Index>(),
            change in 1..=255_u8,
        ) {
            let mut ends = Ends::new(version, client_record, cuts);
            if !in_handshake {
                ends.handshake();
                ends.client.writer().write_all(&[7; 500]).expect("memory");
            }
            let mut bytes = Vec::new();
            while ends.client.wants_write() {
                ends.client.write_tls(&mut bytes).expect("memory");
            }
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            let size = ends.next_cut();
            let result = bytes.chunks_mut(size).try_for_each(|bytes| ends.server.receive(bytes));
            // A byte that decides nothing, such as the version in a record's head, may change. A
            // larger length asks for more.
            assert!(ends.server.decrypted().iter().all(|&byte| byte == 7), "a changed byte");
            if result.is_err() {
                // For a few errors of a handshake, rustls sends no alert.
                assert!(in_handshake || !ends.server.output().is_empty(), "no alert");
                ends.server.receive(&mut [22; 100]).expect_err("it has ended");
                ends.server.encrypt(b"more").expect_err("it has ended");
                ends.server.encrypt_close_notify().expect_err("the alert is the last message");
            }
        }

        #[test]
        fn any_bytes_are_refused_within_the_limit(
            seed in prop::collection::vec(any::<u8>(), 1..64),
            is_handshake in any::<bool>(),
        ) {
            let (config, _) = configs(&TLS13, None);
            let mut server = TlsSession::new(&config).expect("a session");
            let mut received = 0;
            // Fragments of one byte of a message of the handshake that never ends.
            let fragment = [&[22, 3, 1, 0, 1][..], &[1]].concat();
            let part = if is_handshake { fragment } else { seed };
            while server.receive(&mut part.clone()).is_ok() {
                received += part.len();
                assert!(received <= TLS_INCOMPLETE_BYTES + part.len(), "{received} bytes");
            }
        }
    }
}
