//! An HTTP server for bundles inside the lab's network: GET of files, and nothing more.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::command::Failure;
use crate::network;

const PORT: u16 = 8080;
const PAUSE: Duration = Duration::from_millis(50);

/// Serves one folder until it is dropped.
pub struct Server {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `folder` on the address of the network's own.
    pub fn start(namespace: &Path, address: Ipv4Addr, folder: &Path) -> Result<Self, Failure> {
        let bind = || Ok(TcpListener::bind((address, PORT))?);
        Self::serve(network::inside(namespace, bind)?, folder)
    }

    /// Serves `folder` to this machine alone; the text is where.
    pub fn start_here(folder: &Path) -> Result<(Self, String), Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok((Self::serve(listener, folder)?, url))
    }

    fn serve(listener: TcpListener, folder: &Path) -> Result<Self, Failure> {
        listener.set_nonblocking(true)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, folder) = (Arc::clone(&is_over), folder.to_owned());
        let thread = thread::spawn(move || accept(&listener, &folder, &over));
        Ok(Self {
            is_over,
            thread: Some(thread),
        })
    }

    /// Where hosts find it.
    pub fn url(address: Ipv4Addr) -> String {
        format!("http://{address}:{PORT}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A server that panicked has said so already.
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, folder: &Path, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(PAUSE);
            continue;
        };
        let folder = folder.to_owned();
        thread::spawn(move || {
            if let Err(cause) = answer(&stream, &folder) {
                eprintln!("lab: a download was cut off: {cause}");
            }
        });
    }
}

fn answer(mut stream: &TcpStream, folder: &Path) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    match asked_file(&request, folder).and_then(|path| File::open(path).ok()) {
        Some(mut file) => {
            let length = file.metadata()?.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )?;
            io::copy(&mut file, &mut stream).map(drop)
        }
        None => stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

fn asked_file(request: &str, folder: &Path) -> Option<PathBuf> {
    let path = request.strip_prefix("GET /")?.split(' ').next()?;
    // apt writes the `+` of a version as `%2b`.
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let is_inside = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let file = folder.join(path.as_ref());
    (is_inside && file.is_file()).then_some(file)
}
