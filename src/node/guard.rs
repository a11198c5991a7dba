//! Who may begin the cluster's history: the rule before initdb, as a function.
//!
//! Patroni's race for its initialise key chooses among candidates while etcd
//! lives. Where etcd was lost and made anew that key is gone, and an empty node
//! must not start a second history beside a full one that is switched off.
//!
//! # What is known
//! Patroni comes here only with a quorum of etcd and no initialise key. etcd
//! goes on from the disk of any member that has one ([`super::etcd_start`]), so
//! either a majority of its members began with empty disks, or somebody removed
//! Patroni's keys. The first boot of a cluster looks just so; so does a
//! cluster whose majority was lost at once and rebuilt.
//!
//! # The rule
//! 1. Data anywhere, a leader in etcd, or a marker that says that data was
//!    here: never. The operator may override by typing the cluster's name.
//! 2. Another node inside its own bootstrap: wait for what becomes of it.
//! 3. Every other data node was asked and has nothing: go on.
//! 4. Some are silent: go on only if nothing was ever begun here, etcd
//!    remembers no finished bootstrap (`config` and `history` stay when a
//!    leader's lease ends), and the empty ones, this node among them, are a
//!    majority of the data nodes. Else wait, without end: silence is no answer.
//!
//! The generation is not asked. An operator may build twice before the hosts
//! are switched on, and a rebuilt host may be given its first seed again, so
//! the number tells neither case. Majority instead: one empty node cannot
//! begin beside a silent full majority, whatever became of etcd, and a cluster
//! whose last host never comes is formed by the others, at any generation.
//!
//! # What no rule can tell
//! A majority of data nodes *and* of etcd lost at once and rebuilt, the rest
//! full and switched off, is to the rebuilt hosts a first boot. The full node's
//! data is still safe when it returns: Patroni refuses another system identifier.

use serde_json::Value;

use super::marker::{Held, Marker};

/// What a peer said of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It holds data, for this reason.
    Holds(String),
    /// It runs a bootstrap of its own.
    Begins,
    /// It holds none.
    Nothing,
    /// It did not answer, for this reason.
    Silent(String),
}

/// What etcd remembers of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// There is a leader.
    Leader,
    /// A bootstrap was finished once.
    History,
    /// Nothing.
    Nothing,
    /// It could not be asked, for this reason.
    Unknown(String),
}

/// Whether this node may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Begin,
    /// Not yet, for these reasons.
    Wait(Vec<String>),
    /// It may not, for these reasons.
    Refuse(Vec<String>),
}

/// Patroni's status: the system identifier is there as soon as there is data.
pub fn read_answer(body: &str) -> Said {
    let Ok(status) = serde_json::from_str::<Value>(body) else {
        return Said::Silent("its answer is no JSON".to_owned());
    };
    if let Some(id) = status.get("database_system_identifier") {
        let id = id.as_str().unwrap_or("unknown");
        return Said::Holds(format!("system identifier {id}"));
    }
    match status["state"].as_str().unwrap_or("unknown") {
        "running custom bootstrap script" | "initializing new cluster" => Said::Begins,
        "creating replica" => Said::Holds("it is being made a copy of a leader".to_owned()),
        state @ ("running" | "starting" | "stopping" | "restarting") => {
            Said::Holds(format!("PostgreSQL is {state}"))
        }
        _ => Said::Nothing,
    }
}

/// What the names of Patroni's keys below the cluster's own folder tell.
pub fn remembered<'k>(names: impl IntoIterator<Item = &'k str>) -> Remembered {
    let names: Vec<&str> = names.into_iter().collect();
    if names.contains(&"leader") {
        Remembered::Leader
    } else if names.contains(&"config") || names.contains(&"history") {
        Remembered::History
    } else {
        Remembered::Nothing
    }
}

/// Whether an empty node may begin the cluster's history.
pub fn judge(marker: &Marker, etcd: &Remembered, said: &[(String, Said)]) -> Verdict {
    let never = refusals(marker, etcd, said);
    if !never.is_empty() {
        return Verdict::Refuse(never);
    }
    let begins = |(name, said): &(String, Said)| {
        (*said == Said::Begins).then(|| format!("{name} runs a bootstrap of its own"))
    };
    let begun: Vec<String> = said.iter().filter_map(begins).collect();
    if !begun.is_empty() {
        return Verdict::Wait(begun);
    }
    let silent: Vec<String> = said.iter().filter_map(silence).collect();
    match too_little(marker, etcd, said) {
        Some(reason) if !silent.is_empty() => {
            Verdict::Wait(silent.into_iter().chain([reason]).collect())
        }
        _ => Verdict::Begin,
    }
}

fn refusals(marker: &Marker, etcd: &Remembered, said: &[(String, Said)]) -> Vec<String> {
    let mut reasons = Vec::new();
    if marker.state == Held::HoldsData {
        reasons.push(
            "this node's marker says that its data folder held data of the cluster".to_owned(),
        );
    }
    if *etcd == Remembered::Leader {
        reasons.push("etcd names a leader of the cluster".to_owned());
    }
    reasons.extend(said.iter().filter_map(|(name, said)| match said {
        Said::Holds(why) => Some(format!("{name} holds data ({why})")),
        _ => None,
    }));
    reasons
}

fn silence((name, said): &(String, Said)) -> Option<String> {
    match said {
        Said::Silent(why) => Some(format!("{name} does not answer ({why})")),
        _ => None,
    }
}

/// Why silence cannot be taken for emptiness; none where it can.
fn too_little(marker: &Marker, etcd: &Remembered, said: &[(String, Said)]) -> Option<String> {
    let (total, empty) = (
        said.len() + 1,
        1 + said.iter().filter(|(_, s)| *s == Said::Nothing).count(),
    );
    let majority = total / 2 + 1;
    if marker.state != Held::Empty {
        return Some("a first start was begun here before".to_owned());
    }
    match etcd {
        Remembered::Unknown(why) => Some(format!("etcd cannot be asked ({why})")),
        Remembered::History | Remembered::Leader => {
            Some("etcd remembers that the cluster was formed".to_owned())
        }
        Remembered::Nothing => (empty < majority).then(|| {
            format!("{empty} of {total} data nodes are known to be empty, {majority} must be")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(state: Held, generation: u64) -> Marker {
        Marker {
            cluster: "demo".into(),
            cluster_id: "00".into(),
            node: "db-1".into(),
            generation,
            state,
            initialize: None,
        }
    }

    fn silent() -> Said {
        Said::Silent("refused".into())
    }

    fn verdict(state: Held, etcd: &Remembered, two: [Said; 2]) -> Verdict {
        let said = ["db-2", "db-3"].map(str::to_owned).into_iter().zip(two);
        judge(&marker(state, 3), etcd, &said.collect::<Vec<_>>())
    }

    #[test]
    fn a_majority_that_is_empty_begins_at_any_generation() {
        let fresh = |two| verdict(Held::Empty, &Remembered::Nothing, two);
        assert_eq!(fresh([Said::Nothing, Said::Nothing]), Verdict::Begin);
        assert_eq!(fresh([Said::Nothing, silent()]), Verdict::Begin);
        assert!(matches!(fresh([silent(), silent()]), Verdict::Wait(_)));
        let alone = judge(&marker(Held::Empty, 1), &Remembered::Nothing, &[]);
        assert_eq!(alone, Verdict::Begin);
    }

    #[test]
    fn data_or_a_leader_anywhere_is_a_refusal() {
        let holds = || Said::Holds("system identifier 7".into());
        for (state, etcd, two) in [
            (Held::Empty, Remembered::Nothing, [Said::Nothing, holds()]),
            (
                Held::Empty,
                Remembered::Leader,
                [Said::Nothing, Said::Nothing],
            ),
            (
                Held::HoldsData,
                Remembered::Nothing,
                [Said::Nothing, Said::Nothing],
            ),
            (Held::Beginning, Remembered::Nothing, [silent(), holds()]),
        ] {
            assert!(matches!(verdict(state, &etcd, two), Verdict::Refuse(_)));
        }
    }

    #[test]
    fn silence_is_no_answer_once_something_was_begun() {
        for (state, etcd) in [
            (Held::Beginning, Remembered::Nothing),
            (Held::Empty, Remembered::History),
            (Held::Empty, Remembered::Unknown("no quorum".into())),
        ] {
            let waits = verdict(state, &etcd, [Said::Nothing, silent()]);
            assert!(matches!(waits, Verdict::Wait(reasons) if reasons[0].contains("db-3")));
            let all = verdict(state, &etcd, [Said::Nothing, Said::Nothing]);
            assert_eq!(all, Verdict::Begin);
        }
    }

    #[test]
    fn another_bootstrap_is_waited_for() {
        let waits = verdict(
            Held::Empty,
            &Remembered::Nothing,
            [Said::Nothing, Said::Begins],
        );
        assert!(matches!(waits, Verdict::Wait(_)));
    }

    #[test]
    fn reads_what_patroni_and_etcd_say() {
        let waiting = r#"{"state": "stopped", "role": "uninitialized"}"#;
        assert_eq!(read_answer(waiting), Said::Nothing);
        let begins = r#"{"state": "running custom bootstrap script"}"#;
        assert_eq!(read_answer(begins), Said::Begins);
        for full in [
            r#"{"state":"stopped","database_system_identifier":"7"}"#,
            r#"{"state":"running"}"#,
            r#"{"state":"creating replica"}"#,
        ] {
            assert!(matches!(read_answer(full), Said::Holds(_)), "{full}");
        }
        assert!(matches!(read_answer("<html>"), Said::Silent(_)));
        assert_eq!(
            remembered(["initialize", "members/db-1"]),
            Remembered::Nothing
        );
        assert_eq!(remembered(["config"]), Remembered::History);
        assert_eq!(remembered(["config", "leader"]), Remembered::Leader);
    }
}
