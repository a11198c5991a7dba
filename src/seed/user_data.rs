//! `user-data`: how cloud-init carries an identity to its host.
//!
//! # Design
//! One `bootcmd` entry, a plain string. cloud-init 19.4 and later write it to
//! a private file and run that at *every* boot, so a power cut never leaves a
//! host that does not try again; `runcmd` and `write_files` run once an
//! instance, are marked done before they are, and the latter's files are open
//! to everyone for a moment. Nothing secret stands in an argument of a
//! process. The script only plants files and a unit: the unit does the work.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use super::identity::Identity;
use crate::base::{NodeName, Sha256};

/// The smallest limit of the platforms: EC2 takes this many bytes and no more.
pub const LIMIT: usize = 16_384;

const PLANT: &str = include_str!("../../cloud-init/plant.sh");
const STUB: &str = include_str!("../../cloud-init/stub.sh");
const UNIT: &str = include_str!("../../cloud-init/pgbundle.service");
const COLUMNS: usize = 120;

/// A `user-data` within [`LIMIT`]. It has no `Debug`: secrets are in it.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData(Vec<u8>);

/// The `user-data` cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum UserDataError {
    /// It would be too large.
    #[error(
        "the user-data of `{node}` has {size} bytes, {} more than the {LIMIT} that every platform takes: \
         spread its roles over more nodes, or name fewer sources", size - LIMIT
    )]
    TooLarge {
        /// Whose.
        node: NodeName,
        /// Its size.
        size: usize,
    },
    /// A character that old YAML readers refuse, and with it the whole document.
    #[error(
        "the user-data of `{node}` would hold `{character}`, which old cloud-inits cannot read"
    )]
    Character {
        /// Whose.
        node: NodeName,
        /// The character.
        character: char,
    },
}

#[derive(Serialize)]
struct CloudConfig<'a> {
    /// Debian's cloud images have it on: cloud-init would write /etc/hosts anew
    /// at each boot, with the host's own name at a loopback address.
    manage_etc_hosts: bool,
    bootcmd: [&'a str; 1],
}

impl UserData {
    /// Makes the `user-data` of a node; the same identity gives the same bytes.
    pub fn of(identity: &Identity) -> Result<Self, UserDataError> {
        let node = || identity.node.clone();
        let script = plant(identity);
        let strange = |c: &char| !matches!(c, '\n' | ' '..='~' | '\u{a1}'..='\u{d7ff}');
        if let Some(character) = script.chars().find(strange) {
            return Err(UserDataError::Character {
                node: node(),
                character,
            });
        }
        let config = CloudConfig {
            manage_etc_hosts: false,
            bootcmd: [&script],
        };
        let yaml =
            serde_yaml::to_string(&config).expect("a truth and a list with one text have a form");
        let bytes = format!("#cloud-config\n{yaml}").into_bytes();
        if bytes.len() > LIMIT {
            return Err(UserDataError::TooLarge {
                node: node(),
                size: bytes.len(),
            });
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The stub of a node: where it finds its program, and how it knows it.
pub fn stub(identity: &Identity) -> String {
    let program = &identity.node_program;
    let sources = identity.sources.iter().cloned().map(String::from);
    let sources: Vec<_> = sources.map(|source| quote(&source)).collect();
    fill(
        STUB,
        context! {
            digest => program.sha256.to_string(),
            size => program.size,
            path => quote(program.path.as_str()),
            sources => sources.join(" "),
        },
    )
}

/// The script that plants identity, stub and unit.
pub fn plant(identity: &Identity) -> String {
    let document =
        serde_json::to_vec(identity).expect("these structs have text keys and no failure");
    let stub = stub(identity);
    // What was planted is known by everything that is planted.
    let all = [&document[..], stub.as_bytes(), UNIT.as_bytes()].concat();
    fill(
        PLANT,
        context! {
            digest => Sha256::of(&all).to_string(),
            generation => identity.generation,
            identity => in_lines(&STANDARD.encode(compressed(&document))),
            stub => stub.trim_end(),
            unit => UNIT.trim_end(),
        },
    )
}

/// The same bytes each time: no name and no time in the header.
fn compressed(document: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::new(), Compression::best());
    let written = encoder.write_all(document).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

fn in_lines(text: &str) -> String {
    let lines = text.as_bytes().chunks(COLUMNS);
    let lines: Vec<_> = lines
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    lines.join("\n")
}

/// Quotes for sh: within single quotes only the single quote is special.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn fill(template: &str, values: minijinja::Value) -> String {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let filled = environment.render_str(template, values);
    filled.expect("the embedded scripts name the values they are given")
}
