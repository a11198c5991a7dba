//! HTTP from a static program: names are resolved by asking `getent`, since
//! glibc's own resolver would load NSS modules of another libc.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use super::system::{Call, Real, System};

/// Whom an agent trusts and how it shows who it is.
#[derive(Clone, Copy)]
pub enum Trust<'a> {
    /// The public authorities: for mirrors, whose files are checked by digest anyway.
    Public,
    /// A CA file alone, with a certificate of our own where there is one.
    Only {
        /// PEM with one or more CAs.
        authorities: &'a Path,
        /// Certificate and key, PEM.
        own: Option<(&'a Path, &'a Path)>,
    },
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustFault {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The file holds nothing usable.
    #[error("`{path}` holds no usable {wanted} in PEM")]
    Unusable {
        /// The file.
        path: String,
        /// What was looked for.
        wanted: &'static str,
    },
}

/// An agent that waits at most `limit` for each part of an answer.
pub fn agent(trust: Trust, limit: Duration) -> Result<Agent, TrustFault> {
    let tls = match trust {
        Trust::Public => TlsConfig::builder().root_certs(RootCerts::WebPki).build(),
        Trust::Only { authorities, own } => private(authorities, own)?,
    };
    let settings = Config::builder()
        .proxy(None)
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_resolve(Some(limit))
        .timeout_connect(Some(limit))
        .timeout_recv_response(Some(limit))
        .timeout_per_read(Some(limit))
        .build();
    Ok(Agent::with_parts(
        settings,
        DefaultConnector::default(),
        GetentResolver,
    ))
}

fn private(authorities: &Path, own: Option<(&Path, &Path)>) -> Result<TlsConfig, TrustFault> {
    let roots = certificates(authorities)?;
    let own = own
        .map(|(certificate, key)| client(certificate, key))
        .transpose()?;
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .client_cert(own)
        .build())
}

fn client(certificate: &Path, key: &Path) -> Result<ClientCert, TrustFault> {
    let chain = certificates(certificate)?;
    let pem = read(key)?;
    let private = PrivateKey::from_pem(&pem).map_err(|_| unusable(key, "private key"))?;
    Ok(ClientCert::new_with_certs(&chain, private))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, TrustFault> {
    let pem = read(path)?;
    let found: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        Err(unusable(path, "certificate"))
    } else {
        Ok(found)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TrustFault> {
    std::fs::read(path).map_err(|source| TrustFault::Unreadable {
        path: path.display().to_string(),
        source,
    })
}

fn unusable(path: &Path, wanted: &'static str) -> TrustFault {
    TrustFault::Unusable {
        path: path.display().to_string(),
        wanted,
    }
}

#[derive(Debug)]
struct GetentResolver;

impl Resolver for GetentResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        limit: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default);
        let found = addresses(&Real, host, *limit.after).ok_or(Error::HostNotFound)?;
        let mut resolved = self.empty();
        found
            .into_iter()
            .take(16)
            .for_each(|address| resolved.push(SocketAddr::new(address, port)));
        Ok(resolved)
    }
}

/// The addresses of a host name, or of a literal address; none when unknown.
fn addresses(system: &dyn System, host: &str, limit: Duration) -> Option<Vec<IpAddr>> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse() {
        return Some(vec![address]);
    }
    let limit = limit.min(Duration::from_secs(20));
    let answer = system
        .run(&Call::new("getent", ["ahosts", host]).within(limit))
        .ok()?;
    let mut found: Vec<IpAddr> = Vec::new();
    for address in answer
        .output
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
    {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::system::recorded::Recorded;

    #[test]
    fn asks_getent_for_names_and_nobody_for_addresses() {
        let system = Recorded::default();
        system.answer(
            "getent ahosts mirror",
            0,
            "10.0.0.1  STREAM mirror\n10.0.0.1  DGRAM\nfd00::1  STREAM\n",
        );
        let limit = Duration::from_secs(1);
        let found = addresses(&system, "mirror", limit).unwrap();
        assert_eq!(
            found,
            [
                "10.0.0.1".parse::<IpAddr>().unwrap(),
                "fd00::1".parse().unwrap()
            ]
        );
        system.take();
        assert_eq!(addresses(&system, "[fd00::2]", limit).unwrap().len(), 1);
        assert!(system.take().is_empty());
        system.answer("getent ahosts nobody", 2, "");
        assert_eq!(addresses(&system, "nobody", limit), None);
    }
}
