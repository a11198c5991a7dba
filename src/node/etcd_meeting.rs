//! Where hosts without data meet before etcd's first start.
//!
//! etcd derives a cluster's id from its token and first list, so a member that
//! starts `new` beside another that has lost nothing would join it with a
//! vote that it may have given before. A host without data cannot know what
//! it was; others can. So it begins only with a majority of members that say
//! of themselves, here, that they have no data either. Whoever is silent may
//! have some.
//!
//! The question is etcd's own, `GET /members` on the peer port, with the
//! certificates of peers; the answer of a host without data is an empty list.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::host::Host;
use super::stop::Stop;
use crate::bundle::start::TlsFiles;

const LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);
/// A request's head is no longer; what is longer is none of ours.
const HEAD: usize = 8 * 1024;
const BLANK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
/// To etcd's own questions: not now.
const NOT_NOW: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Says that this host has no data to whoever asks, until it is dropped.
pub struct Meeting {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Meeting {
    /// Opens it at `address:port`, where etcd will listen to its peers.
    pub fn open(host: &Host, address: &str, tls: &TlsFiles) -> Result<Self, Stop> {
        let settings = Arc::new(settings(host, tls)?);
        let told = |fault: io::Error| Stop::World(format!("cannot listen at {address}: {fault}"));
        let listener = TcpListener::bind(address).map_err(told)?;
        listener.set_nonblocking(true).map_err(told)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || serve(&listener, &settings, &seen));
        Ok(Self {
            is_over,
            thread: Some(thread),
        })
    }
}

impl Drop for Meeting {
    /// The port is free again afterwards.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has no result, and a panic has been told on standard error.
            thread.join().unwrap_or_default();
        }
    }
}

fn serve(listener: &TcpListener, settings: &Arc<ServerConfig>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        match listener.accept() {
            // Who does not keep to it is no peer, and nobody is waiting for a report of it.
            Ok((stream, _)) => answer(stream, settings).unwrap_or_default(),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn answer(stream: TcpStream, settings: &Arc<ServerConfig>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let connection = ServerConnection::new(Arc::clone(settings)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    let is_question = head.starts_with(b"GET /members ");
    stream.write_all(if is_question { BLANK } else { NOT_NOW })?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn settings(host: &Host, tls: &TlsFiles) -> Result<ServerConfig, Stop> {
    let below = |path: &crate::base::NodePath| path.under(&host.root);
    let mut authorities = RootCertStore::empty();
    for authority in certificates(&below(&tls.ca))? {
        authorities
            .add(authority)
            .map_err(|fault| unusable(&below(&tls.ca), &fault))?;
    }
    let key = below(&tls.key);
    let private = PrivateKeyDer::from_pem_slice(&read(&key)?)
        .map_err(|_| unusable(&key, &"it holds no private key in PEM"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let peers =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(&provider))
            .build()
            .map_err(|fault| unusable(&below(&tls.ca), &fault))?;
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| Stop::World(format!("TLS cannot be used: {fault}")))?
        .with_client_cert_verifier(peers)
        .with_single_cert(certificates(&below(&tls.certificate))?, private)
        .map_err(|fault| unusable(&below(&tls.certificate), &fault))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Stop> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable(path, &"it is no list of certificates in PEM"))
}

fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    fs::read(path)
        .map_err(|fault| Stop::World(format!("cannot read `{}`: {fault}", path.display())))
}

fn unusable(path: &Path, fault: &dyn std::fmt::Display) -> Stop {
    Stop::World(format!("`{}` cannot be used: {fault}", path.display()))
}
