//! Where files come from: a mirror on the network or a folder.

use std::fmt;
use std::path::{Path, PathBuf};

/// The root of a source, or a file below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An `http:` or `https:` address.
    Http(String),
    /// A folder of this machine, or a file in it.
    Folder(PathBuf),
}

impl Place {
    /// Reads `http://…`, `https://…`, `file:///…` or a plain path.
    pub fn parse(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return Self::Http(text.trim_end_matches('/').to_owned());
        }
        let path = text
            .strip_prefix("file://localhost/")
            .map(|rest| format!("/{rest}"))
            .or_else(|| text.strip_prefix("file://").map(str::to_owned))
            .or_else(|| text.strip_prefix("file:").map(str::to_owned));
        Self::Folder(PathBuf::from(path.unwrap_or_else(|| text.to_owned())))
    }

    /// The place of `path`, which is relative and normal, below this one.
    pub fn join(&self, path: &str) -> Self {
        match self {
            Self::Http(root) => Self::Http(format!("{root}/{}", encoded(path))),
            Self::Folder(folder) => Self::Folder(folder.join(Path::new(path))),
        }
    }
}

impl fmt::Display for Place {
    /// Shows the place without a password that its address may hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => f.write_str(&without_password(address)),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An address as it may be shown: what stands before an `@` of its host may be a password.
pub fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => address.to_owned(),
    }
}

/// Percent-encodes a path (RFC 3986, 2.3). `+` too: some servers of object
/// stores take it for a blank, and package names are full of it.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(
            without_password("https://me:pa@ss@m.example/d"),
            "https://***@m.example/d"
        );
        assert_eq!(
            without_password("http://m.example/a@b"),
            "http://m.example/a@b"
        );
        assert_eq!(without_password("file:/srv/m"), "file:/srv/m");
    }

    #[test]
    fn tells_addresses_from_folders() {
        let folder = |path: &str| Place::Folder(PathBuf::from(path));
        assert_eq!(
            Place::parse("http://h/debian/"),
            Place::Http("http://h/debian".into())
        );
        assert_eq!(Place::parse("file:///srv/m"), folder("/srv/m"));
        assert_eq!(Place::parse("file:/srv/m"), folder("/srv/m"));
        assert_eq!(Place::parse("file://localhost/srv/m"), folder("/srv/m"));
        assert_eq!(Place::parse("mirror/m"), folder("mirror/m"));
    }

    #[test]
    fn encodes_paths_and_hides_passwords() {
        let place = Place::parse("https://me:secret@h:8080/d").join("pool/g++_1%3a2~3.deb");
        assert_eq!(
            place.to_string(),
            "https://***@h:8080/d/pool/g%2B%2B_1%253a2~3.deb"
        );
    }
}
