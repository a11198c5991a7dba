//! The store and its one way to the network, against servers that misbehave.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use pgbundle::base::Sha256;
use pgbundle::store::carry::{self, Imported};
use pgbundle::store::fetch::{Fetch, Progress, Want, fetch};
use pgbundle::store::http::{Client, Expected, HttpError, Options};
use pgbundle::store::place::Place;
use pgbundle::store::{Blob, Store, StoreError};

use crate::server::{Behaviour, Server};

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    client: Client,
    content: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("store")).unwrap();
        let client = Client::new(Options {
            stall: Duration::from_secs(1),
            pause: Duration::from_millis(1),
            tries: 3,
            ..Options::default()
        })
        .unwrap();
        let content = (0..400_000u32).flat_map(u32::to_le_bytes).collect();
        Self {
            folder,
            store,
            client,
            content,
        }
    }

    fn expected(&self) -> Expected {
        Expected {
            sha256: Sha256::of(&self.content),
            size: self.content.len() as u64,
        }
    }

    fn serve(&self, behaviours: &[Behaviour]) -> Server {
        Server::start(&[("pool/a%2Bb.deb", &self.content)], behaviours)
    }

    fn download(&self, server: &Server) -> Result<Blob, HttpError> {
        let place = server.place("pool/a+b.deb");
        self.client
            .download(&place, self.expected(), &self.store, &|_| {})
    }

    /// Nothing under way or set aside is left, and the blob is what it should be.
    fn assert_fetched(&self, blob: &Blob) {
        assert!(blob.read().unwrap() == self.content);
        assert_eq!(files_in(&self.folder.path().join("store/part")), 0);
    }
}

/// Where mirrors with these roots have a file.
fn below(roots: Vec<String>) -> impl Fn(&Want) -> Vec<Place> {
    move |want| {
        let place = |root: &String| Place::parse(root).join(&want.path);
        roots.iter().map(place).collect()
    }
}

fn files_in(folder: &Path) -> usize {
    folder.read_dir().unwrap().count()
}

#[test]
fn a_download_becomes_a_blob() {
    let bench = Bench::new();
    let server = bench.serve(&[Behaviour::Good]);
    let blob = bench.download(&server).unwrap();
    bench.assert_fetched(&blob);
    assert!(blob.path().metadata().unwrap().permissions().readonly());
}

#[test]
fn a_body_that_is_cut_is_gone_on_with() {
    let bench = Bench::new();
    let server = bench.serve(&[
        Behaviour::Cut(500_000),
        Behaviour::Cut(300_000),
        Behaviour::Status(503),
        Behaviour::Cut(100_000),
        Behaviour::Good,
    ]);
    let blob = bench.download(&server).unwrap();
    bench.assert_fetched(&blob);
    let froms: Vec<_> = server
        .requests()
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(froms, ["0", "500000", "800000", "800000", "900000"]);
}

#[test]
fn a_second_run_goes_on_where_the_first_was_given_up() {
    let bench = Bench::new();
    let server = bench.serve(&[
        Behaviour::Cut(700_000),
        Behaviour::Cut(0),
        Behaviour::Cut(0),
    ]);
    let error = bench.download(&server).unwrap_err();
    assert!(
        matches!(error, HttpError::Unreachable { tries: 3, .. }),
        "{error}"
    );
    let server = bench.serve(&[Behaviour::Good]);
    bench.assert_fetched(&bench.download(&server).unwrap());
    assert_eq!(server.requests(), ["/pool/a%2Bb.deb from 700000"]);
}

#[test]
fn a_server_that_ignores_or_mistakes_the_range_is_started_again() {
    for second in [
        Behaviour::IgnoresRange,
        Behaviour::WrongRange,
        Behaviour::Status(416),
    ] {
        let bench = Bench::new();
        let server = bench.serve(&[Behaviour::Cut(700_000), second, Behaviour::Good]);
        bench.assert_fetched(&bench.download(&server).unwrap());
    }
}

#[test]
fn silence_is_not_waited_for() {
    for first in [Behaviour::Stalls, Behaviour::Mute] {
        let bench = Bench::new();
        let begun = Instant::now();
        let server = bench.serve(&[first, Behaviour::Good]);
        bench.assert_fetched(&bench.download(&server).unwrap());
        assert!(begun.elapsed() < Duration::from_secs(5), "{first:?}");
    }
    let bench = Bench::new();
    let server = bench.serve(&[Behaviour::Mute]);
    let error = bench.download(&server).unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { .. }), "{error}");
}

#[test]
fn lies_about_the_length_are_found_out() {
    for lie in [
        Behaviour::Announces(1),
        Behaviour::SendsMore(1),
        Behaviour::SendsMore(1 << 20),
    ] {
        let bench = Bench::new();
        let server = bench.serve(&[lie]);
        let error = bench.download(&server).unwrap_err();
        assert!(
            matches!(error, HttpError::WrongSize { .. }),
            "{lie:?}: {error}"
        );
        assert!(!bench.store.has(bench.expected().sha256));
        assert_eq!(server.requests().len(), 1);
        assert_eq!(files_in(&bench.folder.path().join("store/part")), 0);
    }
}

#[test]
fn other_bytes_never_become_a_blob() {
    let bench = Bench::new();
    let server = bench.serve(&[Behaviour::Alters]);
    let error = bench.download(&server).unwrap_err();
    assert!(matches!(error, HttpError::WrongDigest { .. }), "{error}");
    assert!(!bench.store.has(bench.expected().sha256));
    // The first half is spoilt: the whole is fetched once more, and is right.
    let server = bench.serve(&[Behaviour::Good]);
    let part = format!("store/part/{}.part", bench.expected().sha256);
    fs::write(bench.folder.path().join(part), vec![9; 1000]).unwrap();
    bench.assert_fetched(&bench.download(&server).unwrap());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn an_answer_is_not_asked_for_again() {
    let bench = Bench::new();
    for (status, count) in [(404, 1), (410, 1), (403, 1), (500, 3), (429, 3)] {
        let server = bench.serve(&[Behaviour::Status(status)]);
        let error = bench.download(&server).unwrap_err();
        assert_eq!(server.requests().len(), count, "{status}: {error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let place = Place::parse(&format!("http://{closed}")).join("x");
    let error = bench.client.get(&place, 10).unwrap_err();
    assert!(
        matches!(error, HttpError::Unreachable { tries: 3, .. }),
        "{error}"
    );
}

#[test]
fn small_files_are_bounded() {
    let bench = Bench::new();
    let server = Server::start(
        &[("Release", b"0123456789")],
        &[Behaviour::Cut(3), Behaviour::Good],
    );
    assert_eq!(
        bench.client.get(&server.place("Release"), 10).unwrap(),
        b"0123456789"
    );
    let error = bench.client.get(&server.place("Release"), 9).unwrap_err();
    assert!(
        matches!(error, HttpError::TooLarge { limit: 9, .. }),
        "{error}"
    );
    fs::write(bench.folder.path().join("Release"), "0123456789").unwrap();
    let place = Place::parse(&format!("file://{}", bench.folder.path().display())).join("Release");
    assert_eq!(bench.client.get(&place, 10).unwrap(), b"0123456789");
    assert!(matches!(
        bench.client.get(&place, 9),
        Err(HttpError::TooLarge { .. })
    ));
}

#[test]
fn a_blob_altered_in_the_store_is_set_aside_and_fetched_anew() {
    let bench = Bench::new();
    let Expected { sha256, size } = bench.expected();
    let blob = bench.store.put(&bench.content).unwrap();
    fs::remove_file(blob.path()).unwrap();
    fs::write(blob.path(), "something else").unwrap();
    let error = bench.store.open(sha256, size).unwrap_err();
    let StoreError::Altered { path, aside, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(path, blob.path());
    assert_eq!(fs::read(aside).unwrap(), b"something else");
    assert!(matches!(
        bench.store.open(sha256, size),
        Err(StoreError::Missing(_))
    ));
    let server = bench.serve(&[Behaviour::Good]);
    bench.assert_fetched(&bench.download(&server).unwrap());
    // Of the same size, and put instead of fetched.
    fs::remove_file(blob.path()).unwrap();
    fs::write(blob.path(), vec![0; bench.content.len()]).unwrap();
    bench.store.put(&bench.content).unwrap();
    bench.assert_fetched(&bench.store.open(sha256, size).unwrap());
}

#[test]
fn bytes_are_kept_by_what_they_hold() {
    let bench = Bench::new();
    let blob = bench.store.put(&bench.content).unwrap();
    assert_eq!(blob.sha256(), bench.expected().sha256);
    assert_eq!(bench.store.put(&bench.content).unwrap(), blob);
    let wrong = Sha256::of(b"other");
    let error = bench
        .store
        .put_expected("x", &bench.content[..], wrong, 5)
        .unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { .. }), "{error}");
    assert!(!bench.store.has(wrong));
}

#[test]
fn many_writers_of_one_blob_agree() {
    let bench = Bench::new();
    let server = bench.serve(&[Behaviour::Cut(900_000), Behaviour::Good]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let blob = bench.download(&server).unwrap();
                assert!(blob.read().unwrap() == bench.content);
            });
            scope.spawn(|| bench.store.put(b"the same").unwrap());
        }
    });
    assert_eq!(
        server.requests().len(),
        2,
        "one of them fetches, the others wait"
    );
    bench.assert_fetched(
        &bench
            .store
            .open(bench.expected().sha256, bench.expected().size)
            .unwrap(),
    );
}

fn want(source: &str, path: &str, content: &[u8]) -> Want {
    let (path, source) = (path.to_owned(), source.to_owned());
    Want {
        source,
        path,
        size: content.len() as u64,
        sha256: Sha256::of(content),
    }
}

fn wants(count: u8) -> (Vec<Want>, Vec<(String, Vec<u8>)>) {
    let files: Vec<_> = (0..count)
        .map(|n| (format!("pool/{n}"), vec![n; 5000]))
        .collect();
    let wants = files
        .iter()
        .map(|(path, bytes)| want("main", path, bytes))
        .collect();
    (wants, files)
}

fn serve_all(files: &[(String, Vec<u8>)], behaviours: &[Behaviour]) -> Server {
    let files: Vec<_> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), &bytes[..]))
        .collect();
    Server::start(&files, behaviours)
}

#[test]
fn everything_wanted_comes_from_whichever_mirror_has_it() {
    let bench = Bench::new();
    let (mut wants, files) = wants(20);
    wants.push(Want {
        path: "pool/again".to_owned(),
        ..wants[3].clone()
    });
    let bad = serve_all(&files[..5], &[Behaviour::Good, Behaviour::Alters]);
    let good = serve_all(&files, &[Behaviour::Good]);
    let places = below(vec![bad.root(), good.root()]);
    bench.store.put(&files[0].1).unwrap();
    let last = Mutex::new((0, 0));
    let progress = |event: Progress<'_>| {
        if let Progress::Fetched { done, total, .. } = event {
            let mut last = last.lock().unwrap();
            *last = (done.max(last.0), total);
        }
    };
    let how = Fetch {
        store: &bench.store,
        client: Some(&bench.client),
        places: &places,
        parallel: 4,
    };
    let blobs = fetch(&wants, &how, &progress).unwrap();
    let found: Vec<_> = blobs.iter().map(Blob::sha256).collect();
    let expected: Vec<_> = wants.iter().map(|want| want.sha256).collect();
    assert_eq!(found, expected);
    assert_eq!(*last.lock().unwrap(), (100_000, 100_000));
    // A second time nobody is asked.
    let before = good.requests().len();
    fetch(&wants, &how, &|_| {}).unwrap();
    assert_eq!(good.requests().len(), before);
}

#[test]
fn all_that_cannot_be_had_is_named_with_the_reason() {
    let bench = Bench::new();
    let (wants, files) = wants(6);
    let server = serve_all(&files[..4], &[Behaviour::Good]);
    let folder = bench.folder.path().join("mirror").display().to_string();
    let places = below(vec![folder.clone(), server.root()]);
    let how = Fetch {
        store: &bench.store,
        client: Some(&bench.client),
        places: &places,
        parallel: 3,
    };
    let errors = fetch(&wants, &how, &|_| {}).unwrap_err();
    let text = errors.to_string();
    assert!(text.starts_with("2 files are not to be had:"), "{text}");
    for part in [
        "pool/4",
        "pool/5",
        "mirror/pool/5 is not there",
        &server.root(),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("pool/3"), "{text}");
    assert!(errors.advice().contains("pgbundle lock"));
}

#[test]
fn offline_names_what_is_missing_and_asks_nobody() {
    let bench = Bench::new();
    let (wants, files) = wants(3);
    bench.store.put(&files[1].1).unwrap();
    let places = below(vec!["http://127.0.0.1:9/".to_owned()]);
    let how = Fetch {
        store: &bench.store,
        client: None,
        places: &places,
        parallel: 4,
    };
    let errors = fetch(&wants, &how, &|_| {}).unwrap_err();
    let text = errors.to_string();
    assert!(
        text.contains("pool/0") && text.contains("pool/2") && !text.contains("pool/1"),
        "{text}"
    );
    assert!(errors.advice().contains("--offline"));
}

fn exported(bench: &Bench) -> (PathBuf, Vec<Blob>) {
    let (_, files) = wants(5);
    let blobs: Vec<_> = files
        .iter()
        .map(|(_, bytes)| bench.store.put(bytes).unwrap())
        .collect();
    let out = bench.folder.path().join("store.tar");
    carry::export(&blobs, &out).unwrap();
    (out, blobs)
}

fn other_store(bench: &Bench) -> Store {
    Store::at(bench.folder.path().join("other")).unwrap()
}

#[test]
fn a_store_crosses_an_air_gap() {
    let bench = Bench::new();
    let (out, blobs) = exported(&bench);
    let once = fs::read(&out).unwrap();
    let reversed: Vec<_> = blobs.iter().rev().chain(&blobs[..2]).cloned().collect();
    carry::export(&reversed, &out).unwrap();
    assert!(
        once == fs::read(&out).unwrap(),
        "order and repetition change nothing"
    );
    let other = other_store(&bench);
    other.put(&[0; 5000]).unwrap();
    assert_eq!(
        carry::import(&other, &out).unwrap(),
        Imported { blobs: 5, added: 4 }
    );
    for blob in &blobs {
        assert_eq!(
            other
                .open(blob.sha256(), blob.size())
                .unwrap()
                .read()
                .unwrap(),
            blob.read().unwrap()
        );
    }
    let list = std::process::Command::new("tar")
        .arg("tf")
        .arg(&out)
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.starts_with("pgbundle-store.json\nsha256/"), "{list}");
    assert_eq!(list.lines().count(), 6);
}

#[test]
fn an_altered_export_is_refused() {
    let bench = Bench::new();
    let (out, _) = exported(&bench);
    let whole = fs::read(&out).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&out, bytes).unwrap();
        carry::import(&other_store(&bench), &out).unwrap_err()
    };
    let mut altered = whole.clone();
    let last = whole.len() - 2048;
    altered[last] ^= 1;
    assert!(matches!(refused(&altered), StoreError::Mismatch { .. }));
    let cut = refused(&whole[..whole.len() - 1024 - 5632]);
    assert!(cut.to_string().contains("ends before"), "{cut}");
    assert!(matches!(
        refused(&whole[..whole.len() - 3000]),
        StoreError::Mismatch { .. } | StoreError::Io { .. }
    ));
    assert!(matches!(refused(b""), StoreError::NotAnExport { .. }));
    let without_index = refused(&whole[1536..]);
    assert!(
        without_index.to_string().contains("was not made by"),
        "{without_index}"
    );
}

#[test]
fn a_ca_file_must_hold_certificates() {
    let bench = Bench::new();
    let path = bench.folder.path().join("ca.pem");
    fs::write(&path, "nothing\n").unwrap();
    let options = Options {
        ca_file: Some(path),
        ..Options::default()
    };
    let error = Client::new(options).err().unwrap();
    assert!(matches!(error, HttpError::CaFile { .. }), "{error}");
}

#[test]
fn the_body_of_a_refusal_is_not_content() {
    let bench = Bench::new();
    let server = bench.serve(&[Behaviour::Status(204)]);
    let error = bench
        .client
        .get(&server.place("pool/a+b.deb"), 100)
        .unwrap_err();
    assert!(
        matches!(error, HttpError::Refused { status: 204, .. }),
        "{error}"
    );
}
