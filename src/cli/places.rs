//! Where files come from and are kept: the flags that several verbs share.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;

use super::report::Failure;
use super::text;
use crate::base::ClusterName;
use crate::document::{Document, Faults};
use crate::store::{self, Store, StoreError};

/// The store of blobs.
#[derive(Debug, Clone, Args)]
pub struct StoreArguments {
    /// The folder of blobs (default: $XDG_CACHE_HOME/pgbundle, else ~/.cache/pgbundle)
    #[arg(long, value_name = "DIR", env = "PGBUNDLE_STORE")]
    store: Option<PathBuf>,
}

impl StoreArguments {
    /// Opens the store, by flag, by environment or where the XDG base directory specification says.
    pub fn open(&self) -> Result<Store, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let default = || store::default_root(variable("XDG_CACHE_HOME"), variable("HOME"));
        let folder = self.store.clone().or_else(default).ok_or_else(|| {
            Failure::input("neither XDG_CACHE_HOME nor HOME says where the store is")
                .hint("name it: `--store DIR`")
        })?;
        Store::at(folder).map_err(|error| match &error {
            StoreError::Io { source, .. } if source.kind() == ErrorKind::NotADirectory => {
                Failure::input(error.to_string()).hint("name a folder: `--store DIR`")
            }
            _ => Failure::world(error.to_string())
                .hint("see to its rights and its disk, or name another: `--store DIR`"),
        })
    }
}

/// Mirrors and keys.
#[derive(Debug, Clone, Args)]
pub struct MirrorArguments {
    /// A mirror to try first for a source of the profile, as `debian=https://mirror.example/debian`
    /// (may be given again)
    #[arg(long, value_name = "SOURCE=URL", value_parser = mirror)]
    mirror: Vec<(String, String)>,

    /// A TOML file with a list of mirrors a source: `debian = ["https://mirror.example/debian"]`
    /// (default: ~/.config/pgbundle/mirrors.toml, where there is one)
    #[arg(long, value_name = "FILE")]
    mirrors: Option<PathBuf>,

    /// A folder with the archives' public keys, looked into before the system's keyrings
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,

    /// CA certificates (PEM) for https mirrors, instead of the public ones
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// A folder with the Python wheels and sources that the profile pins, asked instead of pip's
    /// index
    #[arg(long, value_name = "DIR")]
    pub wheels: Option<PathBuf>,

    /// How long a mirror may be silent before it is tried again; after four tries it is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub stall: u16,
}

/// Nobody named: no mirror, no key, and a client that asks nobody.
impl Default for MirrorArguments {
    fn default() -> Self {
        Self {
            mirror: Vec::new(),
            mirrors: None,
            keys: None,
            ca_file: None,
            wheels: None,
            stall: 30,
        }
    }
}

fn mirror(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((source, url)) if !source.is_empty() && url.contains("://") => {
            Ok((source.to_owned(), url.trim_end_matches('/').to_owned()))
        }
        _ => Err("write SOURCE=URL, for example debian=https://mirror.example/debian".to_owned()),
    }
}

impl MirrorArguments {
    /// The first source that a flag names and that is not among these.
    pub fn unknown<'m>(&'m self, sources: &[&str]) -> Option<&'m str> {
        let mut named = self.mirror.iter().map(|(source, _)| source.as_str());
        named.find(|source| !sources.contains(source))
    }

    /// Mirrors that the operator named, by source: flags first, then the file.
    pub fn named(&self) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (source, url) in &self.mirror {
            named.entry(source.clone()).or_default().push(url.clone());
        }
        for (source, urls) in self.listed()? {
            named.entry(source).or_default().extend(urls);
        }
        Ok(named)
    }

    fn listed(&self) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let home = std::env::var_os("HOME")
            .map(|home| PathBuf::from(home).join(".config/pgbundle/mirrors.toml"));
        let path = match (&self.mirrors, home) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) if path.exists() => path,
            _ => return Ok(Vec::new()),
        };
        let text = text::read(&path, text::SMALL).map_err(|error| {
            Failure::file("read the mirrors in", &path, &error)
                .hint("name a TOML file with a list of addresses a source: `--mirrors FILE`")
        })?;
        let document = |faults| Failure::document(path.display().to_string(), &text, faults);
        let parsed = Document::parse(&text).map_err(document)?;
        let faults = Faults::default();
        let lists = parsed.root(&faults).lists();
        faults.conclude(Some(lists)).map_err(document)
    }
}

/// The operator's secrets.
#[derive(Debug, Clone, Args)]
pub struct SecretsArguments {
    /// The folder with the cluster's keys and passwords, made when it is absent
    /// (default: `secrets/<cluster>` beside the spec)
    #[arg(long, value_name = "DIR")]
    secrets: Option<PathBuf>,
}

impl SecretsArguments {
    /// The folder, for the cluster that `spec` describes.
    pub fn folder(&self, spec: &std::path::Path, cluster: &ClusterName) -> PathBuf {
        self.secrets.clone().unwrap_or_else(|| {
            let beside = spec.parent().unwrap_or(std::path::Path::new(""));
            beside.join("secrets").join(cluster.as_str())
        })
    }
}
