//! `pgbundle build`: bundles and seeds, in `dist/`.

use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::{Access, access};

use super::locking::Locking;
use super::places::{MirrorArguments, SecretsArguments, StoreArguments};
use super::report::{Failure, Kind};
use super::ui::{Ui, human_size};
use super::{ClusterArguments, cluster, fetching, lock, moment, proving};
use crate::build::{self, BuildError, Inputs, Made, MadeFile, Standing};
use crate::identity::folder::FolderError;
use crate::identity::random::Kernel;
use crate::identity::{Identities, IdentityError};
use crate::library::Library;
use crate::lock::Lock;
use crate::plan::Plan;
use crate::seed::user_data;
use crate::store::{Blob, Store};

/// Build the bundles and seeds of a cluster, locking and fetching first what is missing
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    mirrors: MirrorArguments,

    #[command(flatten)]
    store: StoreArguments,

    #[command(flatten)]
    secrets: SecretsArguments,

    /// The folder that gets `<cluster>-<profile>-<architecture>/`
    #[arg(long, short, value_name = "DIR", default_value = "dist")]
    out: PathBuf,

    /// Open no socket: the lock and the store must have everything
    #[arg(long)]
    offline: bool,

    /// Do not lock: the lock that is there must cover the spec
    #[arg(long)]
    locked: bool,

    /// Put each node's bundles on its seed's ISO too
    #[arg(long)]
    media: bool,

    /// The static `pgbundle-node` for the hosts (default: the one installed with this program)
    #[arg(long, value_name = "FILE", env = "PGBUNDLE_NODE")]
    node_program: Option<PathBuf>,
}

/// Locks, fetches, builds and says what was made.
pub fn run(arguments: &Arguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    let plan = cluster::plan(&arguments.cluster, library)?;
    ui.say(format!(
        "plan     {}: {} nodes, PostgreSQL {} on {} ({})",
        plan.spec.cluster,
        plan.spec.nodes.len(),
        plan.postgres_major,
        plan.profile.title,
        plan.architecture
    ));
    let date = moment::fixed()?;
    let target = target(&arguments.out, &plan);
    is_writable(&target)?;
    // Only what was built before can be what would be built now.
    let mut standing = match arguments.media {
        true => None,
        false => Standing::begin(&target),
    };
    let store = arguments.store.open()?;
    let node_program = node_program(arguments, &store)?;
    let locking = Locking::new(
        &plan,
        &arguments.cluster,
        &arguments.mirrors,
        library,
        &store,
        ui,
    )?;
    let found = covering(&locking, arguments)?;
    lock::say(&found, &locking, ui);
    let locked = found
        .cover(&plan, &locking.bases)
        .map_err(|gaps| locking.stale(&gaps))?;
    let secrets = arguments
        .secrets
        .folder(&arguments.cluster.cluster, &plan.spec.cluster);
    let with = |blobs| Inputs {
        locked,
        blobs,
        node_program: node_program.clone(),
        date: date.unwrap_or(found.date),
        media: arguments.media,
    };
    let unproved = proving::unproved(&locking, &found, &secrets);
    let at_hand = fetching::at_hand(&store, locked);
    let mut opened = None;
    if let Some(blobs) = at_hand.as_ref().filter(|_| secrets.exists()) {
        let identities = opened.insert(identities(&secrets, &plan, ui)?);
        let inputs = with(blobs);
        if let Some(standing) = standing.take()
            && let Some(made) = build::kept(&inputs, identities, standing)?
        {
            summary("kept", &made, &secrets, ui);
            return Ok(());
        }
        if unproved.is_none() {
            match made(&inputs, identities, &target) {
                // Which blob was altered is found when all are opened, and it is fetched anew.
                Err(error) if error.is_of_a_blob() => {}
                made => {
                    summary("made", &made?, &secrets, ui);
                    return Ok(());
                }
            }
        }
    }
    drop(standing);
    let blobs = fetching::fetch(&locking, locked, arguments.offline)?;
    let is_whole = match unproved {
        Some(_) => proving::prove(&locking, locked, &blobs)?,
        None => true,
    };
    let mut identities = match opened {
        Some(opened) => opened,
        None => identities(&secrets, &plan, ui)?,
    };
    if let Some(lock) = unproved.filter(|_| is_whole) {
        identities.note_proof(lock)?;
    }
    let made = made(&with(&blobs), &mut identities, &target)?;
    summary("made", &made, &secrets, ui);
    Ok(())
}

fn made(
    inputs: &Inputs<'_>,
    identities: &mut Identities,
    target: &Path,
) -> Result<Made, BuildError> {
    let composed = build::compose(inputs, identities)?;
    build::write(&composed, inputs, identities, target)
}

/// The lock that covers the plan; made where there is none, unless that is forbidden.
fn covering(locking: &Locking<'_>, arguments: &Arguments) -> Result<Lock, Failure> {
    match locking.covering()? {
        Ok(lock) => Ok(lock),
        Err(gaps) if arguments.locked || arguments.offline => Err(locking.stale(&gaps)),
        Err(gaps) => {
            for gap in gaps {
                locking.ui.say(format!("lock     {gap}"));
            }
            locking.make()
        }
    }
}

fn target(out: &Path, plan: &Plan) -> PathBuf {
    out.join(format!(
        "{}-{}-{}",
        plan.spec.cluster, plan.profile.name, plan.architecture
    ))
}

/// Asked first: nobody wants to hear of it when everything was fetched.
fn is_writable(target: &Path) -> Result<(), Failure> {
    let above = target.ancestors().skip(1);
    let above = above.map(|path| match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    });
    let Some(standing) = above
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    else {
        return Ok(());
    };
    let refuse = |reason: String| {
        Failure::world(format!("cannot write to {}: {reason}", standing.display()))
            .hint("name another folder: `--out DIR`")
    };
    if !standing.is_dir() {
        return Err(refuse("it is no folder".to_owned()));
    }
    access(standing, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| refuse(std::io::Error::from(error).to_string()))
}

fn identities(folder: &Path, plan: &Plan, ui: &Ui) -> Result<Identities, Failure> {
    let is_new = !folder.exists();
    let identities = Identities::open_or_make(folder, plan, moment::now()?, &mut Kernel)?;
    if is_new {
        ui.say(format!(
            "secrets  {}: keys and passwords made; keep this folder, back it up",
            folder.display()
        ));
    } else {
        ui.say(format!("secrets  {}", folder.display()));
    }
    Ok(identities)
}

/// The program for the hosts: named, or beside this one as `make install` puts it.
fn node_program(arguments: &Arguments, store: &Store) -> Result<Blob, Failure> {
    let path = match &arguments.node_program {
        Some(path) => path.clone(),
        None => installed_node_program()?,
    };
    let bytes = std::fs::read(&path).map_err(|error| {
        Failure::file("read the hosts' program", &path, &error)
            .hint("`make node` builds it; `--node-program FILE` names it")
    })?;
    if !bytes.starts_with(b"\x7fELF") {
        let message = format!("{} is not a program (no ELF file)", path.display());
        return Err(Failure::input(message).hint(
            "name the static `pgbundle-node` that `make node` builds: `--node-program FILE`",
        ));
    }
    store
        .put(&bytes)
        .map_err(|error| Failure::world(error.to_string()))
}

fn installed_node_program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::world(format!("this program cannot find itself: {error}")))?;
    let prefix = own
        .parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/"));
    Ok(prefix.join("libexec/pgbundle/pgbundle-node"))
}

/// `done` is "made", or "kept" where every file was what it should be.
fn summary(done: &str, made: &Made, secrets: &Path, ui: &Ui) {
    let folder = made.folder.display();
    ui.say(format!(
        "{done}     {folder}, generation {}",
        made.generation
    ));
    let width = made
        .public
        .iter()
        .chain(&made.seeds)
        .map(|file| file.path.len())
        .max()
        .unwrap_or(0);
    let row = |file: &MadeFile, note: &str| {
        ui.say(format!(
            "         {:width$}  {:>11}{note}",
            file.path,
            human_size(file.size)
        ))
    };
    for file in &made.public {
        row(file, "");
    }
    for file in &made.seeds {
        row(
            file,
            &format!(" of {} at most", human_size(user_data::LIMIT as u64)),
        );
    }
    ui.say(format!(
        "next     pgbundle verify {folder}/public --secrets {}",
        secrets.display()
    ));
    ui.say(format!(
        "         then give each host its folder of {folder}/seeds and let it find {folder}/public;"
    ));
    ui.say(format!("         {folder}/public/RUNBOOK.md says how"));
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        let failure = match &error {
            IdentityError::Folder(FolderError::System { path, source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Self::file("open the folder of secrets", path, source)
            }
            IdentityError::Folder(FolderError::System { .. } | FolderError::NotWritten(_))
            | IdentityError::Random(_)
            | IdentityError::Issue(_) => Self::world(error.to_string()),
            _ => Self::input(error.to_string()),
        };
        match error.advice() {
            Some(advice) => failure.hint(advice),
            None => failure,
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Identity(error) => error.into(),
            BuildError::Render(_)
            | BuildError::UserData(_)
            | BuildError::Path(_)
            | BuildError::Tree(_)
            | BuildError::Runbook(_) => Self::several(Kind::Input, [error]),
            other => Self::several(Kind::World, [other]),
        }
    }
}
