//! What o'clock it is at the members of etcd that have a quorum.
//!
//! `GET /health` of a member's client port answers 200 only with a leader, and
//! every answer carries `Date` (RFC 9110, 6.6.1). It is asked over mutual TLS,
//! so that nobody but the cluster can tell this host the time.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::base::Epoch;
use crate::bundle::start::{BOOTSTRAP, Bootstrap, ETCD_START, EtcdStart, TlsFiles};
use crate::node::host::{Host, read_json};
use crate::node::http::{self, Trust};
use crate::node::stop::Stop;

const LIMIT: Duration = Duration::from_secs(3);

/// A member's clock beside this host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerClock {
    /// The member.
    pub name: String,
    /// By how many seconds this host's clock is ahead of it; negative: behind.
    pub ahead: i64,
}

/// The clocks of the other members that have a quorum; empty where none
/// answers, or where this node may not ask them.
pub fn ask(host: &Host) -> Result<Vec<PeerClock>, Stop> {
    let Some((members, tls)) = members(host)? else {
        return Ok(Vec::new());
    };
    let below = |path: &crate::base::NodePath| path.under(&host.root);
    let (ca, certificate, key) = (below(&tls.ca), below(&tls.certificate), below(&tls.key));
    let trust = Trust::Only {
        authorities: &ca,
        own: Some((&certificate, &key)),
    };
    let agent = http::agent(trust, LIMIT).map_err(|fault| Stop::World(fault.to_string()))?;
    let clock = |(name, url): (String, String)| {
        let date = date_at(&agent, &format!("{url}/health"))?;
        let ahead = host.now().seconds() - date.seconds();
        Some(PeerClock { name, ahead })
    };
    Ok(members.into_iter().filter_map(clock).collect())
}

/// The `Date` of an answer of 200; none for any other answer, and for none.
fn date_at(agent: &ureq::Agent, url: &str) -> Option<Epoch> {
    let response = agent.get(url).call().ok()?;
    if response.status() != 200 {
        return None;
    }
    read_date(response.headers().get("Date")?.to_str().ok()?)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn read_date(text: &str) -> Option<Epoch> {
    let moment = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Epoch::from_seconds(moment.unix_timestamp()).ok()
}

type Members = (Vec<(String, String)>, TlsFiles);

/// Names and client URLs of the other members, and how to ask them.
fn members(host: &Host) -> Result<Option<Members>, Stop> {
    if let Some(settings) = read_json::<EtcdStart>(&host.path(ETCD_START))? {
        let others = settings.members.into_iter();
        let others = others.filter(|member| member.name != settings.name);
        let others = others.map(|member| (member.name.to_string(), member.client_url));
        return Ok(Some((others.collect(), settings.tls)));
    }
    // A node that is no member itself knows them by their addresses.
    let settings = read_json::<Bootstrap>(&host.path(BOOTSTRAP))?;
    Ok(settings.map(|settings| {
        let members = settings.etcd.into_iter().map(|url| (url.clone(), url));
        (members.collect(), settings.tls)
    }))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers once.
    fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let request = BufReader::new(stream.try_clone().unwrap()).lines();
            request
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .for_each(drop);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn a_clock_is_read_from_who_has_a_quorum_and_from_nobody_else() {
        let agent = http::agent(Trust::Public, LIMIT).unwrap();
        let at = |answer| date_at(&agent, &server(answer));
        let noon =
            "HTTP/1.1 200 OK\r\nDate: Sun, 01 Nov 2026 12:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(at(noon).unwrap().to_string(), "2026-11-01T12:00:00Z");
        let alone = "HTTP/1.1 503 no leader\r\nDate: Sun, 01 Nov 2026 12:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(at(alone), None);
        assert_eq!(at("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), None);
        assert_eq!(date_at(&agent, "http://127.0.0.1:1/health"), None);
    }
}
