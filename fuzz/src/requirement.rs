//! What rpm packages ask for, and closures over it.

use pgbundle::repo::rpm::base_list;
use pgbundle::repo::rpm::lower::lower;
use pgbundle::repo::rpm::requirement::Requirement;
use pgbundle::repo::rpm::set::PackageSet;
use pgbundle::solve;

use super::closure::is_sound;

/// What parts the base from what there is to install, in stanzas of a base list.
const PART: &str = "\n\n===\n\n";

/// Each line that is read is written as what is read again; two base lists, of
/// a host and of what there is, give a sound closure or a reason.
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut accepted = false;
    for line in text.lines() {
        let line = line.rsplit(": ").next().unwrap_or_default();
        if let Ok(read) = Requirement::read(line) {
            let written = read.to_string();
            assert_eq!(Requirement::read(&written).as_ref(), Ok(&read), "{written}");
            accepted = true;
        }
    }
    let (base, listed) = text.split_once(PART).unwrap_or(("", text));
    let list = base_list::capture(base, "of a test");
    let read = |text| base_list::read(text).map(PackageSet::new);
    let (Ok(base), Ok(listed)) = (read(&list), read(listed)) else {
        return accepted;
    };
    let roots: Vec<_> = listed
        .all()
        .iter()
        .map(|package| package.name)
        .take(3)
        .collect();
    let Ok(lowered) = lower(&base, &listed, &roots, "x86_64") else {
        return accepted;
    };
    match solve::close(&lowered.model) {
        Ok(closure) => is_sound(&lowered.model, &closure.chosen),
        Err(why) => assert!(!why.to_string().is_empty(), "a refusal says why"),
    }
    true
}
