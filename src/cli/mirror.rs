//! Mirrors as verbs use them: which there are, and how they are read.

use std::path::Path;
use std::time::Duration;

use super::places::MirrorArguments;
use super::report::Failure;
use super::ui::Ui;
use crate::base::Sha256;
use crate::base::digest::Digested;
use crate::library::Library;
use crate::profile::Profile;
use crate::repo::base::BaseList;
use crate::repo::deb::apt_sources;
use crate::repo::mirror::Mirrors;
use crate::repo::transport::{Transport, TransportError};
use crate::spec::Spec;
use crate::store::http::{Client, HttpError, Options};
use crate::store::place::{Place, without_password};
use crate::store::{Store, StoreError};

/// The folder of the building machine's own apt sources.
const APT: &str = "/etc/apt";

/// The operator's mirrors, then this machine's; the profile's own are added by source.
pub fn mirrors(arguments: &MirrorArguments) -> Result<Mirrors, Failure> {
    let named = arguments.named()?;
    let explicit = named
        .into_iter()
        .flat_map(|(source, urls)| urls.into_iter().map(move |url| (Some(source.clone()), url)))
        .collect();
    Ok(Mirrors {
        explicit,
        machine: apt_sources::of_machine(Path::new(APT)),
    })
}

/// A client that trusts what the operator said.
pub fn client(arguments: &MirrorArguments) -> Result<Client, Failure> {
    let options = Options {
        ca_file: arguments.ca_file.clone(),
        stall: Duration::from_secs(arguments.stall.into()),
        ..Options::default()
    };
    Client::new(options).map_err(|error| {
        Failure::input(error.to_string())
            .hint("name a file of CA certificates in PEM: `--ca-file FILE`")
    })
}

/// The bases that a spec wants its closure proved on; all of the profile's where it names none.
pub fn bases(spec: &Spec, profile: &Profile, library: &Library) -> Result<Vec<BaseList>, Failure> {
    let is_wanted = |name: &String| spec.bases.is_empty() || spec.bases.contains(name);
    let wanted = profile.bases.iter().filter(|base| is_wanted(&base.name));
    wanted
        .map(|base| {
            let (_, text) = library.read(&format!("profiles/{}", base.file))?;
            Ok(BaseList::new(base.name.clone(), text))
        })
        .collect()
}

/// The store and its client, as the reader of indexes wants them.
pub struct ByClient<'a> {
    /// What fetches.
    pub client: &'a Client,
    /// What was fetched before.
    pub store: &'a Store,
    /// Is told of a kept file that was altered, and is fetched anew.
    pub ui: &'a Ui,
}

impl Transport for ByClient<'_> {
    fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, TransportError> {
        let url_shown = || without_password(url);
        self.client
            .get(&Place::parse(url), limit)
            .map_err(|error| match error {
                HttpError::NotFound(_) => TransportError::Missing { url: url_shown() },
                HttpError::TooLarge { limit, .. } => TransportError::TooLarge {
                    url: url_shown(),
                    limit,
                },
                HttpError::Unreachable { tries, reason, .. } => TransportError::Broken {
                    url: url_shown(),
                    source: std::io::Error::other(format!("{reason} (tried {tries} times)")),
                },
                other => TransportError::Broken {
                    url: url_shown(),
                    source: std::io::Error::other(other.to_string()),
                },
            })
    }

    fn is_kept(&self, sha256: Sha256) -> bool {
        self.store.has(sha256)
    }

    fn kept(&self, sha256: Sha256, size: u64) -> Option<Digested<Vec<u8>>> {
        match self.store.read(sha256, size) {
            Ok(kept) => Some(kept),
            Err(StoreError::Missing(_)) => None,
            Err(error) => {
                self.ui.warn(error.to_string());
                None
            }
        }
    }
}
