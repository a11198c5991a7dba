//! Brings everything that is wanted into the store, from whichever place has it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::http::{Client, Expected, HttpError};
use super::place::Place;
use super::{Blob, Store, StoreError};
use crate::base::Sha256;

/// A file that is wanted: what it must be, and how its source calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The source's id.
    pub source: String,
    /// Path below the source's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// What happens while files are fetched; `done` and `total` are bytes over all wants.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The file was in the store already.
    Present {
        /// Which file.
        want: &'a Want,
        /// Bytes that are there so far.
        done: u64,
        /// Bytes of all wants.
        total: u64,
    },
    /// The file in the store was altered; it is fetched anew.
    Altered {
        /// Which file.
        want: &'a Want,
        /// What was found.
        error: &'a StoreError,
    },
    /// The file is asked for at a place.
    Started {
        /// Which file.
        want: &'a Want,
        /// Where.
        place: &'a Place,
    },
    /// Bytes of the file came in.
    Bytes {
        /// Which file.
        want: &'a Want,
        /// Bytes that are there so far.
        done: u64,
        /// Bytes of all wants.
        total: u64,
    },
    /// A place does not serve; the next is tried.
    Failed {
        /// Which file.
        want: &'a Want,
        /// Why not.
        error: &'a HttpError,
    },
    /// The file is in the store.
    Fetched {
        /// Which file.
        want: &'a Want,
        /// Bytes that are there so far.
        done: u64,
        /// Bytes of all wants.
        total: u64,
    },
}

/// How to fetch.
pub struct Fetch<'a> {
    /// Where blobs go.
    pub store: &'a Store,
    /// What fetches; none is offline: what the store lacks is an error.
    pub client: Option<&'a Client>,
    /// Where a file may be, in the order in which the places are tried.
    pub places: &'a dyn Fn(&Want) -> Vec<Place>,
    /// Downloads at a time.
    pub parallel: usize,
}

/// One file is not to be had.
#[derive(Debug)]
pub struct Failure {
    /// The file.
    pub want: Want,
    /// Why, place by place; empty where no place was asked.
    pub tried: Vec<HttpError>,
    /// Whether nobody was to be asked.
    pub offline: bool,
}

/// Files are not to be had: all of them, in the order they were wanted in.
#[derive(Debug)]
pub struct FetchErrors(pub Vec<Failure>);

impl std::error::Error for FetchErrors {}

impl fmt::Display for FetchErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let files = if count == 1 { "file is" } else { "files are" };
        write!(f, "{count} {files} not to be had:")?;
        for failure in &self.0 {
            write!(f, "\n{failure}")?;
        }
        Ok(())
    }
}

impl FetchErrors {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        let tried = || self.0.iter().flat_map(|failure| &failure.tried);
        if tried().any(|error| matches!(error, HttpError::Store(_))) {
            return "see to the store, to its disk and its rights, or name another: `--store DIR`";
        }
        if self.0.iter().any(|failure| failure.offline) {
            return "run without `--offline`, or import a store that has them: `pgbundle store import FILE`";
        }
        let gone = |error: &HttpError| {
            matches!(
                error,
                HttpError::NotFound(_)
                    | HttpError::WrongSize { .. }
                    | HttpError::WrongDigest { .. }
            )
        };
        if tried().any(gone) {
            "the archive moved on since the lock was made, or a mirror lags behind: lock anew with `pgbundle lock`, name another mirror, or import a store that has them"
        } else {
            "see to the network, or name another mirror, and run the command again: it goes on where it stopped"
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Want {
            source,
            path,
            size,
            sha256,
        } = &self.want;
        write!(
            f,
            "  {path} of source `{source}` ({size} bytes, sha256 {sha256})"
        )?;
        if self.tried.is_empty() {
            let why = match self.offline {
                true => "not in the store, and nothing may be fetched",
                false => "not in the store, and the source has no mirror",
            };
            write!(f, "\n    {why}")?;
        }
        for error in &self.tried {
            write!(f, "\n    {error}")?;
        }
        Ok(())
    }
}

/// Brings every want into the store, several at a time, and hands out the
/// blobs in the order of the wants. A digest that is wanted twice is fetched once.
pub fn fetch(
    wants: &[Want],
    fetch: &Fetch<'_>,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Vec<Blob>, FetchErrors> {
    let mut unique: BTreeMap<Sha256, &Want> = BTreeMap::new();
    for want in wants {
        unique.entry(want.sha256).or_insert(want);
    }
    let jobs: Vec<Job<'_>> = unique
        .values()
        .map(|want| Job {
            want,
            places: (fetch.places)(want),
        })
        .collect();
    let results = run(&jobs, fetch, progress);
    collect(wants, results)
}

struct Job<'a> {
    want: &'a Want,
    places: Vec<Place>,
}

type Outcome = Result<Blob, Failure>;

fn run(
    jobs: &[Job<'_>],
    fetch: &Fetch<'_>,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> BTreeMap<Sha256, Outcome> {
    let worker = Worker {
        store: fetch.store,
        client: fetch.client,
        progress,
        done: AtomicU64::new(0),
        total: jobs.iter().map(|job| job.want.size).sum(),
    };
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..fetch.parallel.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = worker.obtain(job);
                    results
                        .lock()
                        .expect("no thread panics while it holds the results")
                        .insert(job.want.sha256, outcome);
                }
            });
        }
    });
    results
        .into_inner()
        .expect("no thread panics while it holds the results")
}

fn collect(
    wants: &[Want],
    mut results: BTreeMap<Sha256, Outcome>,
) -> Result<Vec<Blob>, FetchErrors> {
    let mut blobs = Vec::new();
    let mut failures = Vec::new();
    for want in wants {
        match results.remove(&want.sha256) {
            Some(Ok(blob)) => {
                blobs.push(blob.clone());
                results.insert(want.sha256, Ok(blob));
            }
            Some(Err(failure)) => failures.push(failure),
            // The second want of a digest whose failure is listed already.
            None => {}
        }
    }
    match failures.is_empty() {
        true => Ok(blobs),
        false => Err(FetchErrors(failures)),
    }
}

struct Worker<'a> {
    store: &'a Store,
    client: Option<&'a Client>,
    progress: &'a (dyn Fn(Progress<'_>) + Sync),
    done: AtomicU64,
    total: u64,
}

impl Worker<'_> {
    fn obtain(&self, job: &Job<'_>) -> Outcome {
        let want = job.want;
        let offline = self.client.is_none();
        let fail = |tried| Failure {
            want: want.clone(),
            tried,
            offline,
        };
        match self.store.open(want.sha256, want.size) {
            Ok(blob) => {
                let done = self.add(want.size);
                (self.progress)(Progress::Present {
                    want,
                    done,
                    total: self.total,
                });
                return Ok(blob);
            }
            Err(StoreError::Missing(_)) => {}
            Err(error @ StoreError::Altered { .. }) => {
                (self.progress)(Progress::Altered {
                    want,
                    error: &error,
                });
            }
            Err(error) => return Err(fail(vec![error.into()])),
        }
        match self.client {
            Some(client) => self.download(client, job).map_err(fail),
            None => Err(fail(Vec::new())),
        }
    }

    fn download(&self, client: &Client, job: &Job<'_>) -> Result<Blob, Vec<HttpError>> {
        let want = job.want;
        let mut tried: Vec<HttpError> = Vec::new();
        for place in &job.places {
            if let Some(error) = tried.last() {
                (self.progress)(Progress::Failed { want, error });
            }
            (self.progress)(Progress::Started { want, place });
            match self.download_from(client, want, place) {
                Ok(blob) => return Ok(blob),
                Err(error) => tried.push(error),
            }
        }
        Err(tried)
    }

    fn download_from(
        &self,
        client: &Client,
        want: &Want,
        place: &Place,
    ) -> Result<Blob, HttpError> {
        let Want { sha256, size, .. } = *want;
        let total = self.total;
        let seen = AtomicU64::new(0);
        // What a file counts for is set, not added to: it may start again.
        let advance = |arrived: u64| {
            let before = seen.swap(arrived, Ordering::Relaxed);
            self.add(arrived.wrapping_sub(before))
        };
        let result = client.download(place, Expected { sha256, size }, self.store, &|arrived| {
            let done = advance(arrived);
            (self.progress)(Progress::Bytes { want, done, total });
        });
        let done = advance(if result.is_ok() { size } else { 0 });
        if result.is_ok() {
            (self.progress)(Progress::Fetched { want, done, total });
        }
        result
    }

    /// Adds to the bytes done (wrapping, so that less can be added) and gives their sum.
    fn add(&self, bytes: u64) -> u64 {
        self.done
            .fetch_add(bytes, Ordering::Relaxed)
            .wrapping_add(bytes)
    }
}
