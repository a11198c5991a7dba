//! What a host must refuse: bundles and seeds that were altered on their way.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::command::{Failure, command, run};

/// A copy of a public folder, in one bundle of which one bit is another.
pub fn alter_bundle(public: &Path, to: &Path, role: &str) -> Result<(), Failure> {
    run(command("cp")
        .args(["-r", "--reflink=auto"])
        .arg(public)
        .arg(to))?;
    let bundle = to.join(format!("bundles/{role}.tar.gz"));
    let mut bytes = fs::read(&bundle)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(bundle, bytes)?;
    Ok(())
}

/// A copy of a seed that pins another digest for a role's bundle.
pub fn alter_pinned_digest(seed: &Path, to: &Path, role: &str) -> Result<(), Failure> {
    run(command("cp").arg("-r").arg(seed).arg(to))?;
    let path = to.join("user-data");
    let user_data = fs::read_to_string(&path)?;
    let (before, rest) = split_after(
        &user_data,
        "<<'END' | gzip -d >\"$seed/identity.json.new\"\n",
    )?;
    let (identity, after) = rest.split_once("END\n").ok_or("the identity has no end")?;
    let indent: String = identity.chars().take_while(|c| *c == ' ').collect();
    let altered = encode(&with_other_digest(&decode(identity)?, role)?)?;
    fs::write(
        path,
        format!("{before}{indent}{altered}\n{indent}END\n{after}"),
    )?;
    Ok(())
}

fn split_after<'a>(text: &'a str, mark: &str) -> Result<(&'a str, &'a str), Failure> {
    let at = text.find(mark).ok_or("user-data carries no identity")? + mark.len();
    Ok(text.split_at(at))
}

fn decode(text: &str) -> Result<serde_json::Value, Failure> {
    let text: String = text.split_whitespace().collect();
    let mut json = Vec::new();
    GzDecoder::new(&STANDARD.decode(text)?[..]).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

fn encode(identity: &serde_json::Value) -> Result<String, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&serde_json::to_vec(identity)?)?;
    Ok(STANDARD.encode(encoder.finish()?))
}

fn with_other_digest(
    identity: &serde_json::Value,
    role: &str,
) -> Result<serde_json::Value, Failure> {
    let mut identity = identity.clone();
    let bundles = identity["bundles"].as_array_mut();
    let pinned = bundles
        .ok_or("the identity pins no bundles")?
        .iter_mut()
        .find(|bundle| bundle["role"] == role)
        .ok_or("the identity does not pin the role's bundle")?;
    pinned["file"]["sha256"] = "0123456789abcdef".repeat(4).into();
    Ok(identity)
}
