//! What a server of bundles answers, as a host receives it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock};

use pgbundle::base::Sha256;
use pgbundle::node::host::Host;
use pgbundle::node::system::Real;
use pgbundle::node::transport::bring;
use pgbundle::seed::identity::{DeliverySource, Pinned};

const BUNDLE: &[u8] = b"bundle";
/// What is answered to every request.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Either the pinned bytes arrive or no file is there, and no server makes the
/// part on disk larger than what was pinned.
pub fn holds(bytes: &[u8]) -> bool {
    // A server may send a host elsewhere; this test stays on its own machine.
    if bytes
        .to_ascii_lowercase()
        .windows(8)
        .any(|word| word == b"location")
    {
        return false;
    }
    let _guard = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    *ANSWER.lock().expect("nobody panics with it") = bytes.to_vec();
    let address = ADDRESS.get_or_init(serve);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let host = Host {
        root: folder.path().to_owned(),
        system: &Real,
    };
    let source = DeliverySource::try_from(format!("http://{address}")).expect("an address");
    let pinned = Pinned {
        path: "bundles/etcd.tar.gz".parse().expect("a path"),
        size: BUNDLE.len() as u64,
        sha256: Sha256::of(BUNDLE),
    };
    let target = folder.path().join("target");
    let part = folder.path().join(format!("{}.part", pinned.sha256));
    match bring(&host, &source, &pinned, &target) {
        Ok(()) => {
            assert_eq!(std::fs::read(&target).expect("it is there"), BUNDLE);
            true
        }
        Err(miss) => {
            assert!(!target.exists(), "{miss}");
            let length = part.metadata().map_or(0, |part| part.len());
            assert!(length <= pinned.size + 1, "{length} bytes: {miss}");
            false
        }
    }
}

fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Whoever asks may hang up early.
            let _ = answer(connection);
        }
    });
    address
}

fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(connection.try_clone()?);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let answer = ANSWER.lock().expect("nobody panics with it").clone();
    connection.write_all(&answer)
}
