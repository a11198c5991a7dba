//! Two kinds of path, neither of which is a path of the machine that builds.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An absolute path on a node, normal: no empty part, no `.`, no `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodePath(String);

/// A relative path inside a bundle, normal, with `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BundlePath(String);

/// The text is not a path of the wanted kind.
#[derive(Debug, thiserror::Error)]
pub enum NotAPath {
    /// Not an absolute, normal path.
    #[error("`{0}` is not an absolute path without `.`, `..` and empty parts")]
    Node(String),
    /// Not a relative, normal path.
    #[error("`{0}` is not a relative path without `.`, `..` and empty parts")]
    Bundle(String),
}

fn is_normal(relative: &str) -> bool {
    !relative.is_empty()
        && relative
            .split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains(char::is_control))
}

impl NodePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same path below another root, as an image build or a test has it.
    pub fn under(&self, root: &Path) -> PathBuf {
        root.join(&self.0[1..])
    }
}

impl BundlePath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below a folder of the building machine or of the node.
    pub fn under(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }
}

impl FromStr for NodePath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        match text.strip_prefix('/') {
            Some(relative) if is_normal(relative) => Ok(Self(text.to_owned())),
            _ => Err(NotAPath::Node(text.to_owned())),
        }
    }
}

impl FromStr for BundlePath {
    type Err = NotAPath;

    fn from_str(text: &str) -> Result<Self, NotAPath> {
        if is_normal(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAPath::Bundle(text.to_owned()))
        }
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAPath;

            fn try_from(text: String) -> Result<Self, NotAPath> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(path: $name) -> String {
                path.0
            }
        }
    )*};
}

text_conversions!(NodePath, BundlePath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_two_kinds_apart() {
        assert!("/etc/patroni/config.yml".parse::<NodePath>().is_ok());
        assert!("packages/pool/a.deb".parse::<BundlePath>().is_ok());
        for bad in ["", "/", "etc", "/etc/../x", "/etc//x", "/etc/", "/./x"] {
            assert!(bad.parse::<NodePath>().is_err(), "{bad}");
        }
        for bad in ["", "/etc", "../x", "a/./b", "a//b", "a/", "a/..", "a\n/b"] {
            assert!(bad.parse::<BundlePath>().is_err(), "{bad}");
        }
    }
}
