//! The profile, alone and over the one that it extends.

use pgbundle::plan::resolve;
use pgbundle::profile;
use pgbundle::spec;

use super::spec::{debian, in_text, roles};

/// A text is a profile, or every fault of it has its place in the text; a
/// profile can be asked whether it serves a cluster.
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let parent = profile::extends(text).map(|_| debian());
    match profile::parse(text, parent) {
        Err(faults) => {
            in_text(text, &faults);
            false
        }
        Ok(profile) => {
            let cluster = include_str!("../../clusters/three-node.toml");
            let spec = spec::parse(cluster).expect("the example is sound");
            if let Err(faults) = resolve(spec, profile, None, &roles()) {
                assert!(!faults.is_empty(), "a refusal says why");
            }
            true
        }
    }
}
