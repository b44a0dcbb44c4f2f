//! Receivers behind TLS that refuse who we are only when messages have been sent.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nethical_receivers::syslog::Receiver;
use nethical_receivers::syslog::tls::{Authority, Identity};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    StreamOwned,
};
use testkit::{event, until};

use crate::{Files, PATIENCE, numbers, open, send, texts};

/// Longer than a receiver is given at first, if it says nothing.
const LATE: Duration = Duration::from_millis(1_500);

/// Longer than a receiver is given at first once it has sent session tickets.
const A_LITTLE_LATER: Duration = Duration::from_millis(400);

/// Longer than one is given that refused us late.
const LATER_THAN_ALL: Duration = Duration::from_millis(10_500);

/// Opens when the first messages have been taken, however long that is; afterwards each takes a while.
#[derive(Debug, Default, Clone)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn pass(&self, while_open: Duration) {
        if self.0.load(Ordering::SeqCst) {
            return thread::sleep(while_open);
        }
        until("the first messages were taken", || self.0.load(Ordering::SeqCst));
    }
}

/// Asks for a certificate of an authority, and takes its time to look at one.
#[derive(Debug)]
struct Slow(Arc<dyn ClientCertVerifier>, Gate);

impl ClientCertVerifier for Slow {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.1.pass(LATE);
        self.0.verify_client_cert(certificate, others, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn verifier(authority: &Authority) -> Arc<dyn ClientCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap()
}

fn server(identity: &Identity, verifier: Arc<dyn ClientCertVerifier>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

/// A receiver that does this with each connection, after the other. What it reads is kept, and how many
/// connections it has ended.
struct Scripted {
    port: u16,
    ended: Arc<AtomicUsize>,
    got: Arc<Mutex<Vec<u8>>>,
}

type Tls = StreamOwned<ServerConnection, TcpStream>;

impl Scripted {
    fn start(config: Arc<ServerConfig>, serve: impl Fn(&mut Tls, &Mutex<Vec<u8>>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ended, got) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (count, kept) = (Arc::clone(&ended), Arc::clone(&got));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut tls = StreamOwned::new(connection, stream);
                serve(&mut tls, &kept);
                drop(tls);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, ended, got }
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.got.lock().unwrap()).into_owned()
    }
}

/// Looks at the certificate, then reads to the end.
fn reads(tls: &mut Tls, got: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(size) = tls.read(&mut buffer)
        && size > 0
    {
        got.lock().unwrap().extend_from_slice(&buffer[..size]);
    }
}

/// Sends its session tickets, and hangs up without a word a little later.
fn hangs_up(tls: &mut Tls, gate: &Gate) {
    while tls.conn.is_handshaking() {
        if tls.conn.complete_io(&mut tls.sock).is_err() {
            return;
        }
    }
    while tls.conn.wants_write() && tls.conn.write_tls(&mut tls.sock).is_ok() {}
    gate.pass(A_LITTLE_LATER);
}

#[test]
fn an_alert_after_messages_were_taken_is_told_and_nothing_more_is_lost() {
    let files = Files::create();
    let gate = Gate::default();
    let slow = Arc::new(Slow(verifier(&files.authority), gate.clone()));
    let receiver = Scripted::start(server(&files.identity("localhost"), slow), reads);
    let stranger = Authority::new().unwrap().identity(&["client"]).unwrap();
    let connector = open(files.with_client(receiver.port, &stranger));
    send(&connector, &[event("taken by its system alone")]);
    assert!(connector.flush(PATIENCE));
    gate.open();
    until("the refusal", || receiver.ended() == 1);
    send(&connector, &[event("held")]);
    until("the refusal is seen", || connector.status().unwrap().down_for.is_some());
    let error = connector.status().unwrap().last_error.unwrap();
    assert_eq!(error.code(), "syslog.tls_client_certificate", "{error}");
    until("it is tried again", || receiver.ended() >= 3);
    let ledger = connector.status().unwrap().ledger;
    assert_eq!((ledger.sent, ledger.waiting), (1, 1));

    files.with_client(receiver.port, &files.identity("client"));
    assert!(connector.flush(PATIENCE));
    until("it arrives", || receiver.text().contains("held"));
    assert_eq!(connector.status().unwrap().ledger.sent, 2);
}

#[test]
fn a_hang_up_soon_after_messages_were_taken_is_told_and_nothing_more_is_lost() {
    let files = Files::create();
    let config = server(&files.identity("localhost"), verifier(&files.authority));
    let gate = Gate::default();
    let its = gate.clone();
    let receiver = Scripted::start(config, move |tls, _| hangs_up(tls, &its));
    let connector = open(files.with_client(receiver.port, &files.identity("client")));
    send(&connector, &[event("taken by its system alone")]);
    assert!(connector.flush(PATIENCE));
    gate.open();
    until("the hang-up", || receiver.ended() == 1);
    send(&connector, &[event("held")]);
    until("the hang-up is seen", || connector.status().unwrap().down_for.is_some());
    let error = connector.status().unwrap().last_error.unwrap();
    assert_eq!(error.code(), "syslog.tls_hung_up", "{error}");
    until("it is tried again", || receiver.ended() >= 3);
    let ledger = connector.status().unwrap().ledger;
    assert_eq!((ledger.sent, ledger.waiting), (1, 1));
}

#[test]
fn a_receiver_that_asked_and_restarts_after_a_while_is_no_fault() {
    let files = Files::create();
    let start = |address: SocketAddr| {
        Receiver::tls_at(address, &files.identity("localhost"), Some(&files.authority)).unwrap()
    };
    let receiver = start(SocketAddr::from(([127, 0, 0, 1], 0)));
    let address = receiver.address();
    let connector = open(files.with_client(address.port(), &files.identity("client")));
    send(&connector, &testkit::events(3));
    assert!(connector.flush(PATIENCE));
    thread::sleep(LATER_THAN_ALL);
    assert_eq!(texts(&receiver.messages()), numbers(0..3));
    receiver.stop();
    let again = start(address);
    send(&connector, &testkit::events(3));
    assert!(connector.flush(PATIENCE));
    assert_eq!(texts(&again.wait_for(3)), numbers(0..3));
    assert!(connector.status().unwrap().last_error.is_none(), "a restart is no fault");
}
