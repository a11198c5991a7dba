//! The lock beside the spec: read, judged, made anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::process::nice;

use super::mirror::{self, ByClient};
use super::places::MirrorArguments;
use super::report::{Failure, Kind};
use super::signed_packages;
use super::text::{LARGE, read as read_text};
use super::ui::Ui;
use super::{ClusterArguments, moment, vendor};
use crate::archive::untar::Limits;
use crate::base::Architecture;
use crate::base::atomic::write_file;
use crate::bundle::manifest::Family;
use crate::library::Library;
use crate::lock::cover::Gap;
use crate::lock::given::GivenPackage;
use crate::lock::indexes::{self, Upstream};
use crate::lock::{Lock, keys, pin, text};
use crate::plan::Plan;
use crate::repo::base::BaseList;
use crate::repo::index::{IndexError, Indexes};
use crate::repo::mirror::SourceError;
use crate::spec::PlainFile;
use crate::store::http::{Client, HttpError};
use crate::store::place::Place;
use crate::store::{Store, StoreError};

/// What locking needs around the plan.
pub struct Locking<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The spec's file, beside which the lock stands.
    pub spec: &'a Path,
    /// The base lists, read.
    pub bases: Vec<BaseList>,
    /// Where evidence and plain files are kept.
    pub store: &'a Store,
    /// Mirrors and keys.
    pub mirrors: &'a MirrorArguments,
    /// The printer.
    pub ui: &'a Ui,
}

/// What comes from the operator's own disk.
struct Local {
    /// The sizes of plain files, by name.
    file_sizes: BTreeMap<String, u64>,
    /// The vendor's packages.
    given: Vec<GivenPackage>,
}

impl<'a> Locking<'a> {
    /// Gathers what locking a plan needs.
    pub fn new(
        plan: &'a Plan,
        arguments: &'a ClusterArguments,
        mirrors: &'a MirrorArguments,
        library: &Library,
        store: &'a Store,
        ui: &'a Ui,
    ) -> Result<Self, Failure> {
        let sources: Vec<_> = plan.profile.sources.iter().map(|s| s.id.as_str()).collect();
        if let Some(unknown) = mirrors.unknown(&sources) {
            let profile = &plan.profile.name;
            return Err(Failure::input(format!(
                "`--mirror {unknown}=…`: profile `{profile}` has no source `{unknown}`; it has `{}`",
                sources.join("`, `")
            ))
            .hint("write the name of a source before the address"));
        }
        Ok(Self {
            bases: mirror::bases(&plan.spec, &plan.profile, library)?,
            plan,
            spec: &arguments.cluster,
            store,
            mirrors,
            ui,
        })
    }

    /// Where the lock stands.
    pub fn path(&self) -> PathBuf {
        lock_path(self.spec, &self.plan.profile.name, &self.plan.architecture)
    }

    /// The lock on the disk, if there is one.
    pub fn read(&self) -> Result<Option<Lock>, Failure> {
        read_lock(&self.path())
    }

    /// The lock on the disk where it covers the plan; the gaps where it does not.
    pub fn covering(&self) -> Result<Result<Lock, Vec<Gap>>, Failure> {
        let Some(lock) = self.read()? else {
            return Ok(Err(Vec::new()));
        };
        let gaps = lock.cover(self.plan, &self.bases).err();
        Ok(gaps.map_or(Ok(lock), Err))
    }

    /// The failure of a verb that must not lock, with what is wrong.
    pub fn stale(&self, gaps: &[Gap]) -> Failure {
        let path = self.path().display().to_string();
        if gaps.is_empty() {
            return Failure::no(format!("there is no lock {path}"))
                .hint("`pgbundle lock` makes it");
        }
        let lines: Vec<_> = gaps.iter().map(|gap| format!("\n  {gap}")).collect();
        Failure::no(format!(
            "the lock {path} does not cover the plan:{}",
            lines.concat()
        ))
        .hint("`pgbundle lock` makes it anew")
    }

    /// Reads the signed indexes, solves, and writes the lock.
    pub fn make(&self) -> Result<Lock, Failure> {
        // Told before anything is fetched.
        if self.bases.is_empty() {
            return Err(self.without_base());
        }
        self.ui.say(format!(
            "lock     reading the signed indexes of {}",
            self.plan.profile.title
        ));
        let client = mirror::client(self.mirrors)?;
        let upstream = Upstream {
            profile: &self.plan.profile,
            architecture: &self.plan.architecture,
            mirrors: &mirror::mirrors(self.mirrors)?,
            keys: self.mirrors.keys.clone(),
            transport: &ByClient {
                client: &client,
                store: self.store,
                ui: self.ui,
            },
            at: moment::now()?,
            passed_over: &|mirror, why| {
                let ui = self.ui;
                ui.warn(format!("{mirror}: {why}; another mirror is taken"));
            },
        };
        let mut indexes = upstream.read().map_err(unreadable)?;
        let local = Local {
            file_sizes: self.plain_files(&client)?,
            given: vendor::packages(self, &client)?,
        };
        let (mut lock, warnings) = self.solved(&upstream, &mut indexes, &local)?;
        for warning in warnings {
            self.ui.warn(warning.to_string());
        }
        self.warn_of_older(&lock);
        signed_packages::check(self, &client, &lock)?;
        let profile = &self.plan.profile;
        let keyring = indexes::keyring(profile, self.mirrors.keys.clone());
        lock.keys = keys::of(&lock, profile, &keyring)
            .map_err(|error| Failure::world(error.to_string()))?;
        vendor::say(self, &lock);
        let path = self.path();
        write_file(&path, 0o644, text::write(&lock).as_bytes())
            .map_err(|error| Failure::world(error.to_string()))?;
        Ok(lock)
    }

    fn without_base(&self) -> Failure {
        let profile = &self.plan.profile;
        let capture = match profile.family {
            Family::Deb => "`pgbundle base capture` on a host of your image",
            Family::Rpm => {
                "what `pgbundle base query` prints on a host of your image, then `pgbundle base capture --rpm FILE`"
            }
        };
        Failure::input(format!(
            "the profile `{}` has no base image to prove the closure against",
            profile.name
        ))
        .hint(format!(
            "run {capture}, and name the list in a profile of your own that extends this one: `[[base]]`"
        ))
    }

    /// Solves; looks files up where something asks for one that nobody is known to own.
    fn solved(
        &self,
        upstream: &Upstream<'_>,
        indexes: &mut Indexes,
        local: &Local,
    ) -> Result<(Lock, Vec<pin::Warning>), Failure> {
        loop {
            match (self.pinned(indexes, local)?, &mut *indexes) {
                (Err(pin::PinError::FileLists(files)), Indexes::RpmMd(repositories)) => {
                    upstream.look_up(repositories, &files).map_err(unreadable)?
                }
                (pinned, _) => return pinned.map_err(unlockable),
            }
        }
    }

    /// Solves, while what was read is put into the store by whatever processor
    /// solving leaves free: nobody waits for what serves the next lock.
    fn pinned(
        &self,
        indexes: &Indexes,
        local: &Local,
    ) -> Result<Result<(Lock, Vec<pin::Warning>), pin::PinError>, Failure> {
        thread::scope(|scope| {
            let keeping = scope.spawn(|| {
                // Linux means this thread, and those that it begins. Where a
                // sandbox forbids it, it only takes its share.
                let _ = nice(19);
                self.keep(indexes)
            });
            let pinned = pin::make(
                self.plan,
                &self.bases,
                indexes,
                &local.file_sizes,
                &local.given,
            );
            let kept = keeping.join().expect("keeping does not panic");
            kept.map_err(|error| Failure::world(error.to_string()))?;
            Ok(pinned)
        })
    }

    /// A mirror that lags behind, or that someone holds back, serves an older
    /// state that is signed all the same. A lock that cannot be read is
    /// replaced, and has no date to compare with.
    fn warn_of_older(&self, lock: &Lock) {
        let Ok(Some(before)) = self.read() else {
            return;
        };
        if lock.date < before.date {
            self.ui.warn(format!(
                "the mirrors serve a state of {}, older than the {} of the lock that this replaces",
                lock.date, before.date
            ));
        }
    }

    /// Keeps the evidence, which builds need, and what it unpacks to, which
    /// the next lock is made from sooner. All at once: each waits for the disk.
    fn keep(&self, indexes: &Indexes) -> Result<(), StoreError> {
        let proofs = indexes.proofs();
        let evidence = proofs.iter().flat_map(|proof| proof.evidence);
        let texts = indexes.texts();
        thread::scope(|scope| {
            let contents = evidence.filter_map(|it| it.content.as_ref());
            let keeping: Vec<_> = contents
                .map(|content| scope.spawn(|| self.store.keep(content)))
                .collect();
            let kept = texts
                .into_iter()
                .try_for_each(|text| self.store.keep_for_now(text));
            for one in keeping {
                one.join().expect("keeping does not panic")?;
            }
            kept
        })
    }

    /// Brings the plain files into the store; their sizes by name.
    fn plain_files(&self, client: &Client) -> Result<BTreeMap<String, u64>, Failure> {
        let size = |file: &PlainFile| Ok((file.name.clone(), self.plain_file(file, client)?));
        self.plan.spec.plain_files.iter().map(size).collect()
    }

    fn plain_file(&self, file: &PlainFile, client: &Client) -> Result<u64, Failure> {
        let place = plain_place(self.spec, file);
        let limit = Limits::default().file;
        let blob = client.bring(&place, file.sha256, limit, self.store);
        blob.map(|blob| blob.size()).map_err(|error| match error {
            HttpError::WrongDigest { found, .. } => Failure::input(format!(
                "the plain file `{}` has digest {found}, the spec says {}",
                file.name, file.sha256
            ))
            .hint("check where the file came from before you change the spec"),
            error => Failure::world(format!("the plain file `{}`: {error}", file.name)),
        })
    }
}

/// `<spec>.<profile>-<architecture>.lock`, beside the spec.
pub fn lock_path(spec: &Path, profile: &str, architecture: &Architecture) -> PathBuf {
    spec.with_extension(format!("{profile}-{architecture}.lock"))
}

/// The lock at this path, if there is one.
pub fn read_lock(path: &Path) -> Result<Option<Lock>, Failure> {
    match read_text(path, LARGE) {
        Ok(found) => text::read(&found).map(Some).map_err(|error| {
            let fault = error.fault(&found);
            Failure::document(path.display().to_string(), &found, vec![fault])
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file("read the lock", path, &error)),
    }
}

/// Where a plain file comes from: an address, or a path beside the spec.
pub fn plain_place(spec: &Path, file: &PlainFile) -> Place {
    if file.from.contains("://") {
        return Place::parse(&file.from);
    }
    Place::Folder(spec.parent().unwrap_or(Path::new("")).join(&file.from))
}

/// No mirror serves a source rightly. What came and was wrong is not a matter of trying again.
fn unreadable(error: SourceError) -> Failure {
    let failure = Failure::world(error.to_string());
    let (source_id, tried) = match error {
        SourceError::NoMirror { source_id, tried } => (source_id, tried),
        SourceError::NoKey { .. } => {
            return failure.hint("install the package that has the distribution's keys (such as debian-archive-keyring or distribution-gpg-keys), or name a folder that holds the certificate: `--keys DIR`");
        }
        SourceError::OtherFamily { .. } => return failure,
    };
    let is_absent = |(_, why): &(String, IndexError)| matches!(why, IndexError::Transport(_));
    failure.hint(if tried.is_empty() {
        format!("name one: `--mirror {source_id}=URL`")
    } else if tried.iter().all(is_absent) {
        format!("see to the network, or name another mirror: `--mirror {source_id}=URL`")
    } else {
        format!("nothing of it was taken: try again later, or name another mirror: `--mirror {source_id}=URL`")
    })
}

fn unlockable(error: pin::PinError) -> Failure {
    let failure = Failure::several(Kind::No, [&error]);
    match error {
        pin::PinError::Solve { .. } => failure.hint("the spec, the profile and the base image do not fit together as the archive stands now: see to the packages that the profile asks for, or name a mirror that has them"),
        pin::PinError::OtherArchitecture { .. } => failure.hint(
            "name a mirror that has it for these hosts, or an architecture that it is there for",
        ),
        _ => failure,
    }
}
