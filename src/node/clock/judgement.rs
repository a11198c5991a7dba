//! The rules of [`super`], apart from where their signs come from.

use super::peers::PeerClock;
use crate::node::stop::Stop;

/// How far a clock may be from a peer's, in seconds: what Kerberos allows (RFC
/// 4120, 8.2). Quartz that nothing disciplines strays by a second a day, which
/// must not keep a host out of its cluster; a wrong time zone or battery does.
pub const TOLERANCE: i64 = 300;

/// What stands against the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is out of bounds, for this reason.
    Bounds(String),
    /// It is out of bounds, and a time server was heard: the seed is at fault.
    Lasting(String),
    /// The cluster's clocks say otherwise.
    Peers(String),
    /// No time server of the spec was heard.
    Servers,
}

/// What is known of the clock; nothing of it is asked before it is needed.
pub trait Signs {
    /// Why the clock is out of bounds; none: it is within.
    fn bounds(&self) -> Option<String>;
    /// Whether a time server was heard; none: there is none to hear.
    fn heard(&self) -> Result<Option<bool>, Stop>;
    /// Whether the operator said that the clock is right.
    fn accepted(&self) -> bool;
    /// The clocks of those who have a quorum.
    fn peers(&self) -> Result<Vec<PeerClock>, Stop>;
}

/// The rules above; none: the clock is in step.
pub fn judge(signs: &dyn Signs) -> Result<Option<Doubt>, Stop> {
    let heard = signs.heard()?;
    match signs.bounds() {
        Some(reason) if heard == Some(true) => return Ok(Some(Doubt::Lasting(reason))),
        Some(reason) => return Ok(Some(Doubt::Bounds(reason))),
        None if heard == Some(true) || signs.accepted() => return Ok(None),
        None => {}
    }
    let peers = signs.peers()?;
    if peers.iter().any(|peer| peer.ahead.abs() <= TOLERANCE) {
        return Ok(None);
    }
    if !peers.is_empty() {
        return Ok(Some(Doubt::Peers(difference(&peers))));
    }
    Ok((heard == Some(false)).then_some(Doubt::Servers))
}

fn difference(peers: &[PeerClock]) -> String {
    let told = peers.iter().map(|peer| {
        let side = if peer.ahead > 0 { "ahead of" } else { "behind" };
        format!("{} {side} {}'s", in_words(peer.ahead.abs()), peer.name)
    });
    format!(
        "its clock is {}, and they have a quorum",
        told.collect::<Vec<_>>().join(" and ")
    )
}

/// A length of time to the nearest of a unit that suits it, so that it is not another each second.
fn in_words(seconds: i64) -> String {
    let (unit, length) = match seconds {
        0..7_200 => ("minutes", 60),
        7_200..172_800 => ("hours", 3_600),
        _ => ("days", 86_400),
    };
    format!("{} {unit}", (seconds + length / 2) / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told {
        bounds: Option<&'static str>,
        heard: Option<bool>,
        accepted: bool,
        ahead: Vec<i64>,
    }

    impl Signs for Told {
        fn bounds(&self) -> Option<String> {
            self.bounds.map(str::to_owned)
        }
        fn heard(&self) -> Result<Option<bool>, Stop> {
            Ok(self.heard)
        }
        fn accepted(&self) -> bool {
            self.accepted
        }
        fn peers(&self) -> Result<Vec<PeerClock>, Stop> {
            let peer = |(number, ahead): (usize, &i64)| PeerClock {
                name: format!("db-{}", number + 2),
                ahead: *ahead,
            };
            Ok(self.ahead.iter().enumerate().map(peer).collect())
        }
    }

    fn judged(change: impl FnOnce(&mut Told)) -> Option<Doubt> {
        let mut told = Told::default();
        change(&mut told);
        judge(&told).unwrap()
    }

    #[test]
    fn alone_and_without_time_servers_a_clock_within_bounds_is_trusted() {
        assert_eq!(judged(|_| {}), None);
        let early = Some(Doubt::Bounds("early".to_owned()));
        assert_eq!(judged(|told| told.bounds = Some("early")), early);
    }

    #[test]
    fn nobody_talks_a_clock_into_its_bounds() {
        let doubt = judged(|told| {
            *told = Told {
                bounds: Some("early"),
                accepted: true,
                ahead: vec![0],
                ..Told::default()
            }
        });
        assert_eq!(doubt, Some(Doubt::Bounds("early".to_owned())));
        let doubt = judged(|told| (told.bounds, told.heard) = (Some("late"), Some(true)));
        assert_eq!(doubt, Some(Doubt::Lasting("late".to_owned())));
    }

    #[test]
    fn where_servers_are_named_one_is_heard_or_the_cluster_agrees() {
        assert_eq!(
            judged(|told| told.heard = Some(false)),
            Some(Doubt::Servers)
        );
        assert_eq!(judged(|told| told.heard = Some(true)), None);
        let doubt = judged(|told| (told.heard, told.ahead) = (Some(false), vec![2]));
        assert_eq!(doubt, None);
        // Who has heard a server does not ask who may not have.
        let doubt = judged(|told| (told.heard, told.ahead) = (Some(true), vec![3_600]));
        assert_eq!(doubt, None);
        let doubt = judged(|told| (told.heard, told.accepted) = (Some(false), true));
        assert_eq!(doubt, None);
    }

    #[test]
    fn one_peer_that_agrees_is_enough_and_none_is_too_few() {
        assert_eq!(judged(|told| told.ahead = vec![TOLERANCE, 86_400]), None);
        assert_eq!(judged(|told| told.ahead = vec![-TOLERANCE]), None);
        let Some(Doubt::Peers(text)) = judged(|told| told.ahead = vec![3_590, -200_000]) else {
            panic!("two clocks that are others stand against it");
        };
        let expected = "its clock is 60 minutes ahead of db-2's and 2 days behind db-3's, \
                        and they have a quorum";
        assert_eq!(text, expected);
        let doubt = judged(|told| (told.ahead, told.accepted) = (vec![3_600], true));
        assert_eq!(doubt, None);
    }
}
