//! One line for `systemctl status`: what the service manager shows of a unit
//! that runs, and keeps showing when it has failed (sd_notify(3)).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells the service manager, where one started this program. Nobody may be
/// listening, and a host comes up without: a fault is not worth a word.
pub fn status(text: &str) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET") {
        let socket = socket.to_string_lossy().into_owned();
        drop(send(&socket, text));
    }
}

fn send(socket: &str, text: &str) -> std::io::Result<usize> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let line = format!("STATUS={}", text.replace('\n', "; "));
    UnixDatagram::unbound()?.send_to_addr(line.as_bytes(), &address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.to_str().unwrap(), "refused: one\ntwo").unwrap();
        let mut buffer = [0; 64];
        let size = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..size], b"STATUS=refused: one; two");
    }
}
