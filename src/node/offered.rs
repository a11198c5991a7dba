//! A newer seed, offered to a host that runs: read out of its `user-data`, and
//! planted as the seed's own script would at the next boot.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use super::durable::{self, Rights};
use super::host::Host;
use super::media;
use super::stop::Stop;
use super::uninstalled;
use super::units;
use crate::seed::identity::{Identity, PLANTED};

/// What a `user-data` carries.
pub struct Offered {
    /// The document, parsed.
    pub identity: Identity,
    document: Vec<u8>,
    stub: String,
    unit: String,
    digest: String,
}

/// The generation of what is planted, below `/var/lib/pgbundle`: the script of an
/// older seed, which may still be attached, leaves it alone.
const GENERATION: &str = "seed/generation";

impl Offered {
    /// Reads the `user-data` at a place: the file itself, or a folder (a seed's,
    /// or where its ISO is mounted) that has it.
    pub fn at(place: &Path) -> Result<Self, Stop> {
        let path = if place.is_dir() {
            place.join("user-data")
        } else {
            place.to_owned()
        };
        let text = fs::read_to_string(&path)
            .map_err(|fault| Stop::Input(format!("cannot read `{}`: {fault}", path.display())))?;
        Self::parse(&text).ok_or_else(|| {
            Stop::Input(format!(
                "`{}` is not the user-data of a seed: name `seeds/<node>`, or the file user-data in it",
                path.display()
            ))
        })
    }

    /// Reads that of the disk that carries a seed.
    pub fn on_media(host: &Host) -> Result<Self, Stop> {
        for label in ["cidata", "CIDATA"] {
            if let Some(mounted) = media::mount(host, label)? {
                return Self::at(mounted.root());
            }
        }
        Err(Stop::Input(
            "no disk labelled cidata is attached: attach the new seed.iso, or name the seed: `pgbundle-node upgrade --identity FOLDER`".to_owned(),
        ))
    }

    // As cloud-init/plant.sh has it, in a block of YAML.
    fn parse(user_data: &str) -> Option<Self> {
        let encoded = heredoc(
            user_data,
            "base64 -d <<'END' | gzip -d >\"$seed/identity.json.new\"",
        )?;
        let packed = STANDARD.decode(encoded.replace('\n', "")).ok()?;
        let mut document = Vec::new();
        GzDecoder::new(packed.as_slice())
            .read_to_end(&mut document)
            .ok()?;
        let mut lines = user_data.lines().map(str::trim);
        let digest = lines.find_map(|line| {
            let rest = line.strip_prefix("echo ")?;
            rest.strip_suffix(" >\"$seed/planted.new\"")
        })?;
        Some(Self {
            identity: serde_json::from_slice(&document).ok()?,
            document,
            stub: heredoc(user_data, "cat <<'END' >\"$seed/stub.sh.new\"")?,
            unit: heredoc(user_data, "(umask 022; cat <<'END' >\"$unit.new\"")?,
            digest: digest.to_owned(),
        })
    }

    /// Plants it: the document last of what is acted on, its digest at the end.
    pub fn plant(&self, host: &Host) -> Result<(), Stop> {
        let write =
            |path: PathBuf, bytes: &[u8], mode| durable::write(&path, bytes, Rights::own(mode));
        let generation = format!("{}\n", self.identity.generation);
        write(host.state(GENERATION), generation.as_bytes(), 0o600)?;
        write(host.state("seed/stub.sh"), self.stub.as_bytes(), 0o600)?;
        let unit = units::path(host, uninstalled::UNIT);
        write(unit, self.unit.as_bytes(), 0o644)?;
        write(host.path(PLANTED), &self.document, 0o600)?;
        let digest = format!("{}\n", self.digest);
        write(host.state(uninstalled::PLANTED), digest.as_bytes(), 0o600)?;
        Ok(())
    }
}

/// The lines between one that ends with `start` and the next `END`, without the
/// indentation that the first has.
fn heredoc(text: &str, start: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| line.trim_start() != start);
    let first = lines.next()?;
    let indentation = first.len() - first.trim_start().len();
    let mut found = String::new();
    for line in lines {
        if line.trim_start() == "END" {
            return Some(found);
        }
        found += line.get(indentation..).unwrap_or_default();
        found.push('\n');
    }
    None
}
