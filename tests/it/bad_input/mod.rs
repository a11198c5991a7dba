//! Bad input, one test an item: what an operator or the world can get wrong,
//! and what the program says of it.
//!
//! Each snapshot is the exit code and all that the real program printed on
//! stderr. [`refused`] also sees to it that nothing is left behind: what was
//! there before is byte for byte as it was, and what is new is at most a whole
//! blob of the store under its own digest.

use std::collections::BTreeSet;
use std::path::Path;

use pgbundle::base::Sha256;

use crate::support::Ran;
use crate::tiny::{Entry, Tiny, tree};

mod archive;
mod build;
mod bundle;
mod host;
mod lock;
mod rpm;
mod secrets;
mod shell;
mod spec;
mod store;
mod vendor;
mod world;

/// What was said by a run that left nothing behind, with its exit code.
fn refused(tiny: &Tiny, run: impl FnOnce(&Tiny) -> Ran) -> String {
    refused_leaving(tiny, &[], run)
}

/// The same where something stays on purpose below these paths.
fn refused_leaving(tiny: &Tiny, left: &[&str], run: impl FnOnce(&Tiny) -> Ran) -> String {
    let settled = |text: &str| tiny.settled(text);
    refused_by(&tiny.path(""), left, || run(tiny), settled)
}

/// The same in any folder, for a run whose words are made the same each time by `settled`.
fn refused_by(
    root: &Path,
    left: &[&str],
    run: impl FnOnce() -> Ran,
    settled: impl Fn(&str) -> String,
) -> String {
    let before = tree(root);
    let ran = run();
    let after = tree(root);
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let on_purpose = |name: &str| left.iter().any(|path| Path::new(name).starts_with(path));
    let traces: Vec<_> = names
        .into_iter()
        .filter(|name| !on_purpose(name))
        .filter(|name| match (before.get(*name), after.get(*name)) {
            (None, Some(new)) => !belongs_in_a_store(name, new),
            (before, after) => before != after,
        })
        .collect();
    assert!(traces.is_empty(), "left behind: {traces:?}\n{}", ran.stderr);
    words(&ran, settled)
}

/// The exit code and the words of a run that has no result.
fn told(tiny: &Tiny, ran: &Ran) -> String {
    words(ran, |text| tiny.settled(text))
}

fn words(ran: &Ran, settled: impl Fn(&str) -> String) -> String {
    assert_eq!(ran.stdout, "", "a failure has no result");
    format!("exit code {}\n{}", ran.code, settled(&ran.stderr))
}

/// A folder that every store has, or a blob that is what its name says.
fn belongs_in_a_store(name: &str, entry: &Entry) -> bool {
    let parts: Vec<_> = name.split('/').collect();
    match (parts.as_slice(), &entry.bytes) {
        (["store"] | ["store", "sha256" | "part" | "aside"], None) => true,
        (["store", "sha256", two], None) => two.len() == 2,
        (["store", "sha256", two, digest], Some(bytes)) => {
            Sha256::of(bytes).to_string() == *digest && digest.starts_with(two)
        }
        _ => false,
    }
}

/// Flips one bit in the middle of a file.
fn flip(tiny: &Tiny, file: &str) {
    let mut bytes = std::fs::read(tiny.path(file)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(tiny.path(file), bytes).unwrap();
}

/// Replaces the first place of a text in a file that has it.
fn edit(tiny: &Tiny, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(tiny.path(file)).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(tiny.path(file), text.replacen(from, to, 1)).unwrap();
}
