//! Users and groups, read from the host's own files: a static program must
//! not load NSS modules, and a package's accounts are always local.

use super::durable::Rights;
use super::host::{Host, read_if_there};
use super::stop::Stop;
use crate::bundle::assignment::Access;

/// The host's `/etc/passwd` and `/etc/group` (passwd(5), group(5)).
pub struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads both files.
    pub fn of(host: &Host) -> Result<Self, Stop> {
        let read = |path| -> Result<String, Stop> {
            let bytes = read_if_there(&host.path(path))?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Self {
            passwd: read("/etc/passwd")?,
            group: read("/etc/group")?,
        })
    }

    /// Numbers for the names of `access`.
    pub fn rights(&self, access: &Access) -> Result<Rights, Stop> {
        let unknown = |kind: &str, name: &str| {
            Stop::World(format!(
                "the host has no {kind} `{name}`; a package should have made it"
            ))
        };
        let user =
            number(&self.passwd, &access.owner).ok_or_else(|| unknown("user", &access.owner))?;
        let group =
            number(&self.group, &access.group).ok_or_else(|| unknown("group", &access.group))?;
        Ok(Rights {
            owner: Some((user, group)),
            mode: access.mode.bits(),
        })
    }
}

/// The third field of the line whose first field is `name`: uid or gid.
fn number(text: &str, name: &str) -> Option<u32> {
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_whole_names_only() {
        let text = "postgres-x:x:7:7::/:\npostgres:x:103:105::/:\n";
        assert_eq!(number(text, "postgres"), Some(103));
        assert_eq!(number(text, "post"), None);
    }
}
