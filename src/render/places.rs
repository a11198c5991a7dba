//! Where trust lies on a node: the CA set, and each service's certificate and key.

use super::draft::{Draft, access};
use super::site::Site;
use super::{RenderError, keepalived, time_service};
use crate::base::NodePath;
use crate::bundle::start::TlsFiles;

/// The folder of all that is pgbundle's own configuration.
pub const HOME: &str = "/etc/pgbundle";
/// The set of CAs that nodes trust.
pub const CA: &str = "/etc/pgbundle/ca.pem";
/// The folder of certificates and keys.
pub const TLS: &str = "/etc/pgbundle/tls";

/// The certificate called `name`.
pub fn certificate(name: &str) -> String {
    format!("{TLS}/{name}.pem")
}

/// The key of the certificate called `name`.
pub fn key(name: &str) -> String {
    format!("{TLS}/{name}.key")
}

/// The files with which `name` asks others.
pub fn client(name: &str) -> Result<TlsFiles, RenderError> {
    Ok(TlsFiles {
        ca: CA.parse::<NodePath>()?,
        certificate: certificate(name).parse()?,
        key: key(name).parse()?,
    })
}

/// Adds the folders and the CA set, which all services of the role that speak TLS take up.
pub fn trust(site: &Site<'_>, draft: &mut Draft) -> Result<(), RenderError> {
    for folder in [HOME, TLS] {
        draft.directory(folder, access("root", "root", 0o755))?;
    }
    let names: Vec<String> = draft
        .assignment
        .services
        .iter()
        .map(|service| service.name.clone())
        .filter(|name| ![keepalived::SERVICE, time_service::SERVICE].contains(&name.as_str()))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    draft.file(CA, &names, site.cluster.ca.to_owned())
}
