//! The example cluster, built by the tool as an operator builds it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::cluster::{Cluster, example};
use crate::command::{Failure, run};
use crate::lab::Lab;
use crate::server::Server;
use crate::workspace::Workspace;

/// For what a release is built.
#[derive(Clone)]
pub struct Target {
    /// The profile.
    pub profile: &'static str,
    /// As the profile calls it.
    pub architecture: &'static str,
    /// What its hosts start from; the lab's base where there is none.
    pub image: Option<PathBuf>,
}

const DEBIAN: Target = Target {
    profile: "debian12",
    architecture: "amd64",
    image: None,
};

/// What a build made, and what its operator keeps.
#[derive(Clone)]
pub struct Release {
    /// Who is where.
    pub cluster: Cluster,
    /// What may be served to the world.
    pub public: PathBuf,
    /// One folder a node.
    pub seeds: PathBuf,
    /// The operator's secrets.
    pub secrets: PathBuf,
    target: Target,
}

impl Release {
    /// The example, built once for all stories of this process.
    pub fn shared() -> Result<&'static Self, Failure> {
        static SHARED: OnceLock<Result<Release, String>> = OnceLock::new();
        let build = || {
            let folder = Workspace::open()?.folder.join("build");
            Self::build(&folder)
        };
        let built = SHARED.get_or_init(|| build().map_err(|cause: Failure| cause.to_string()));
        built.as_ref().map_err(|cause| cause.as_str().into())
    }

    /// Builds the example in a folder, of which nothing old is used but the store beside it.
    pub fn build(folder: &Path) -> Result<Self, Failure> {
        let text = example()?;
        let cluster = Cluster::parse(&text)?;
        Self::build_spec(folder, &with_server(&text, &cluster)?, &[])
    }

    /// Builds a spec in a folder, likewise, with flags of `build`.
    pub fn build_spec(folder: &Path, text: &str, flags: &[&str]) -> Result<Self, Failure> {
        let flags: Vec<_> = flags.iter().map(OsStr::new).collect();
        empty(folder)?;
        Self::build_for(&DEBIAN, folder, text, &flags)
    }

    /// Builds a spec for hosts of whatever kind in a folder, with the secrets and the
    /// vendor's files that lie there.
    pub fn build_for(
        target: &Target,
        folder: &Path,
        text: &str,
        flags: &[&OsStr],
    ) -> Result<Self, Failure> {
        let cluster = Cluster::parse(text)?;
        let spec = folder.join("cluster.toml");
        fs::write(&spec, text)?;
        let mut build = build_command(target, folder, &spec, &folder.with_file_name("store"))?;
        run(build.args(flags).current_dir(env!("CARGO_MANIFEST_DIR")))?;
        Ok(Self::made(folder, cluster, target))
    }

    /// The next generation of this release, with the same lock and secrets, made in
    /// another folder of a changed spec and the profile as a text of its own.
    pub fn next(
        &self,
        folder: &Path,
        change_spec: impl FnOnce(&str) -> String,
        change_profile: impl FnOnce(&str) -> String,
    ) -> Result<Self, Failure> {
        let Target {
            profile: name,
            architecture,
            ..
        } = self.target;
        let before = self.secrets.ancestors().nth(2).ok_or("no folder")?;
        empty(folder)?;
        let library = folder.join("library/profiles");
        fs::create_dir_all(&library)?;
        let profile = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("profiles")
            .join(format!("{name}.toml"));
        let profile = change_profile(&fs::read_to_string(profile)?);
        fs::write(library.join(format!("{name}.toml")), profile)?;
        let lock = format!("cluster.{name}-{architecture}.lock");
        fs::copy(before.join(&lock), folder.join(&lock))?;
        self.hand_on_secrets(folder)?;
        let text = change_spec(&fs::read_to_string(before.join("cluster.toml"))?);
        let spec = folder.join("cluster.toml");
        fs::write(&spec, &text)?;
        let mut build =
            build_command(&self.target, folder, &spec, &before.with_file_name("store"))?;
        build.arg("--library").arg(folder.join("library"));
        run(build.current_dir(env!("CARGO_MANIFEST_DIR")))?;
        Ok(Self::made(folder, Cluster::parse(&text)?, &self.target))
    }

    /// Has a release that is built in `folder` follow on this one.
    pub fn hand_on_secrets(&self, folder: &Path) -> Result<(), Failure> {
        let secrets = self.secrets.parent().ok_or("no folder")?;
        let mut cp = Command::new("cp");
        cp.arg("-a").arg(secrets).arg(folder.join("secrets"));
        run(&mut cp).map(drop)
    }

    fn made(folder: &Path, cluster: Cluster, target: &Target) -> Self {
        let (profile, architecture) = (target.profile, target.architecture);
        let made = folder
            .join("dist")
            .join(format!("{}-{profile}-{architecture}", cluster.name));
        Self {
            public: made.join("public"),
            seeds: made.join("seeds"),
            secrets: folder.join("secrets").join(&cluster.name),
            cluster,
            target: target.clone(),
        }
    }

    /// Hosts that have their seeds and the bundles in a folder, all of them off.
    pub fn hosts_with_folder(&self, story: &str) -> Result<Lab, Failure> {
        let mut lab = self.hosts_with_server(story)?;
        for (name, _) in &self.cluster.nodes {
            lab.host_mut(name).offer_bundles(&self.public);
        }
        Ok(lab)
    }

    /// Hosts that have their seeds and find the bundles by HTTP alone, all of them off.
    pub fn hosts_with_server(&self, story: &str) -> Result<Lab, Failure> {
        let cluster = self.cluster.clone();
        let mut lab = match &self.target.image {
            Some(image) => Lab::with_image(story, cluster, image)?,
            None => Lab::new(story, cluster)?,
        };
        for (name, _) in &self.cluster.nodes {
            lab.host(name).plant(&self.seeds.join(name))?;
        }
        lab.serve(Server::start(
            &lab.namespace(),
            self.cluster.gateway.addr(),
            &self.public,
        )?);
        Ok(lab)
    }

    /// An account's password, from the operator's secrets.
    pub fn password(&self, account: &str) -> Result<String, Failure> {
        let file = fs::read(self.secrets.join("passwords.json"))?;
        let passwords: serde_json::Value = serde_json::from_slice(&file)?;
        let password = passwords["passwords"][account].as_str();
        let password = password.ok_or_else(|| format!("{account} has no password"))?;
        Ok(password.to_owned())
    }
}

/// Makes the folder, with nothing in it.
pub fn empty(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}

/// The spec with the lab's HTTP server as the last place to look for bundles.
pub fn with_server(spec: &str, cluster: &Cluster) -> Result<String, Failure> {
    let mut spec: toml::Table = spec.parse()?;
    let sources = spec
        .get_mut("delivery")
        .and_then(|delivery| delivery.get_mut("sources"))
        .and_then(toml::Value::as_array_mut)
        .ok_or("the spec names no delivery.sources")?;
    sources.push(Server::url(cluster.gateway.addr()).into());
    Ok(spec.to_string())
}

/// The tool in the caller's own environment, which may name a store, a proxy or CA certificates.
fn build_command(
    target: &Target,
    folder: &Path,
    spec: &Path,
    store: &Path,
) -> Result<Command, Failure> {
    let store = env::var_os("PGBUNDLE_STORE").map_or_else(|| store.to_owned(), PathBuf::from);
    let mut build = Command::new(env!("CARGO_BIN_EXE_pgbundle"));
    build
        .arg("build")
        .args(["--profile", target.profile])
        .arg("--cluster")
        .arg(spec)
        .arg("--out")
        .arg(folder.join("dist"))
        .arg("--store")
        .arg(store)
        .arg("--node-program")
        .arg(node_program()?)
        .stdin(Stdio::null());
    Ok(build)
}

fn node_program() -> Result<PathBuf, Failure> {
    let default = || {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/x86_64-unknown-linux-gnu/node/pgbundle-node")
    };
    let program = env::var_os("PGBUNDLE_NODE").map_or_else(default, PathBuf::from);
    if program.exists() {
        return Ok(program);
    }
    Err(format!("{} is missing: run `make node`", program.display()).into())
}
