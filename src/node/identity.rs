//! Taking up an identity document: the one that cloud-init planted, or a
//! newer one later. A node never changes sides and never goes back.

use super::durable::{self, Rights};
use super::host::{Host, read_if_there, read_json};
use super::stop::Stop;
use crate::seed::identity::{Identity, PLANTED};

/// The stored document, below `/var/lib/pgbundle`.
pub const STORED: &str = "identity.json";

/// What a planted document means for this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one that is stored.
    Same,
    /// It is to be stored.
    Take,
}

/// Judges a planted document against the stored one.
pub fn judge(stored: Option<&Identity>, planted: &Identity) -> Result<Verdict, Stop> {
    let Some(stored) = stored else {
        return Ok(Verdict::Take);
    };
    let others = [
        ("cluster", stored.cluster.as_str(), planted.cluster.as_str()),
        ("cluster id", &stored.cluster_id, &planted.cluster_id),
        ("node", stored.node.as_str(), planted.node.as_str()),
        ("signing key", stored.signer.trim(), planted.signer.trim()),
    ];
    let reasons: Vec<String> = others
        .into_iter()
        .filter(|(_, mine, theirs)| mine != theirs)
        .map(|(what, mine, theirs)| differs(what, mine, theirs))
        .collect();
    if !reasons.is_empty() {
        return Err(Stop::Refused(reasons));
    }
    judge_generation(stored, planted)
}

fn differs(what: &str, mine: &str, theirs: &str) -> String {
    let (mine, theirs) = (mine.replace('\n', ""), theirs.replace('\n', ""));
    format!(
        "the planted identity has {what} `{theirs}`, this host was made with `{mine}`; a host that is to change sides is made anew"
    )
}

fn judge_generation(stored: &Identity, planted: &Identity) -> Result<Verdict, Stop> {
    let (mine, theirs) = (stored.generation, planted.generation);
    if theirs > mine {
        return Ok(Verdict::Take);
    }
    if stored == planted {
        return Ok(Verdict::Same);
    }
    Err(Stop::refuse(if theirs == mine {
        format!(
            "the planted identity differs from the stored one but has its generation, {mine}; a newer one needs a higher number: give it the seed of one build"
        )
    } else {
        format!(
            "the planted identity has generation {theirs}, this host has {mine}; an older one is never taken back: give it the newest seed"
        )
    }))
}

/// Reads the planted document; it may be gone once it has been stored.
pub fn planted(host: &Host) -> Result<Option<Identity>, Stop> {
    read_json(&host.path(PLANTED))
}

/// Reads the stored document.
pub fn stored(host: &Host) -> Result<Option<Identity>, Stop> {
    read_json(&host.state(STORED))
}

/// Stores the planted document, byte for byte, readable by root alone.
pub fn store(host: &Host) -> Result<(), Stop> {
    let path = host.path(PLANTED);
    let bytes = read_if_there(&path)?
        .ok_or_else(|| Stop::Input(format!("`{}` is gone", path.display())))?;
    durable::folder(&host.path(super::host::STATE), Rights::own(0o700))?;
    durable::write(&host.state(STORED), &bytes, Rights::own(0o600))?;
    Ok(())
}

#[cfg(test)]
pub mod tests {
    //! What it must take and refuse, and an identity for other modules' tests.

    use super::*;

    /// An identity for tests.
    pub fn example() -> Identity {
        serde_json::from_value(serde_json::json!({
            "format": 1, "cluster": "demo", "cluster_id": "00112233445566778899aabbccddeeff",
            "node": "db-1", "address": "10.89.0.1/24", "roles": ["etcd"], "profile": "debian12",
            "architecture": "amd64", "os": {"id": "debian", "version": "12"}, "generation": 2,
            "date": "2026-11-01T00:00:00Z", "valid_from": "2026-10-31T00:00:00Z", "expires": "2036-11-01T00:00:00Z", "signer": "key",
            "node_program": {"path": "pgbundle-node", "size": 1, "sha256": "0".repeat(64)},
            "bundles": [], "sources": ["folder:/srv/pgbundle"], "secrets": []
        }))
        .unwrap()
    }

    #[test]
    fn takes_the_first_and_a_higher_one() {
        let mine = example();
        let mut newer = mine.clone();
        newer.generation = 3;
        assert_eq!(judge(None, &mine).unwrap(), Verdict::Take);
        assert_eq!(judge(Some(&mine), &mine).unwrap(), Verdict::Same);
        assert_eq!(judge(Some(&mine), &newer).unwrap(), Verdict::Take);
    }

    #[test]
    fn refuses_an_older_one_a_twin_and_another_side() {
        let mine = example();
        let refused = |change: fn(&mut Identity)| {
            let mut other = mine.clone();
            change(&mut other);
            match judge(Some(&mine), &other) {
                Err(Stop::Refused(reasons)) => reasons.join(" "),
                _ => panic!("not refused"),
            }
        };
        assert!(refused(|i| i.generation = 1).contains("never taken back"));
        assert!(refused(|i| i.profile = "other".to_owned()).contains("higher number"));
        assert!(
            refused(|i| {
                i.cluster_id = "ff".to_owned();
                i.generation = 9
            })
            .contains("cluster id")
        );
        assert!(refused(|i| i.node = "db-2".parse().unwrap()).contains("db-2"));
        assert!(refused(|i| i.signer = "another".to_owned()).contains("signing key"));
    }
}
