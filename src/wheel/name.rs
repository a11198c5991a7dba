//! Names of wheel files, and which Python on which machine they are for
//! ("Binary distribution format" and "Platform compatibility tags" of the
//! Python Packaging User Guide; PEP 427, 425, 600).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `{distribution}-{version}(-{build})?-{python}-{abi}-{platform}.whl`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WheelName {
    text: String,
    distribution: String,
    version: String,
    tags: [String; 3],
}

/// A file name that no wheel has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no wheel's file name: distribution-version-python-abi-platform.whl")]
pub struct NotAWheel(String);

impl FromStr for WheelName {
    type Err = NotAWheel;

    fn from_str(text: &str) -> Result<Self, NotAWheel> {
        let wrong = || NotAWheel(text.to_owned());
        let stem = text.strip_suffix(".whl").ok_or_else(wrong)?;
        let parts: Vec<&str> = stem.split('-').collect();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+!".contains(c);
        if parts
            .iter()
            .any(|part| part.is_empty() || !part.chars().all(is_plain))
        {
            return Err(wrong());
        }
        let (distribution, version, tags) = match parts[..] {
            [distribution, version, python, abi, platform] => {
                (distribution, version, [python, abi, platform])
            }
            [distribution, version, build, python, abi, platform]
                if build.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                (distribution, version, [python, abi, platform])
            }
            _ => return Err(wrong()),
        };
        Ok(Self {
            text: text.to_owned(),
            distribution: distribution.to_owned(),
            version: version.to_owned(),
            tags: tags.map(str::to_owned),
        })
    }
}

impl TryFrom<String> for WheelName {
    type Error = NotAWheel;

    fn try_from(text: String) -> Result<Self, NotAWheel> {
        text.parse()
    }
}

impl From<WheelName> for String {
    fn from(name: WheelName) -> Self {
        name.text
    }
}

impl fmt::Display for WheelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl WheelName {
    /// The file's name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The project, as the file name writes it (`python_etcd`).
    pub fn distribution(&self) -> &str {
        &self.distribution
    }

    /// The project's name as all who compare names write it (PEP 503): `python-etcd`.
    pub fn project(&self) -> String {
        self.distribution
            .to_ascii_lowercase()
            .replace(['_', '.'], "-")
    }

    /// The version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether that Python on that machine can use it.
    pub fn is_for(&self, interpreter: &Interpreter) -> bool {
        let [pythons, abis, platforms] = &self.tags;
        let fits = |python: &str, abi: &str| interpreter.has(python, abi);
        let abis: Vec<_> = abis.split('.').collect();
        pythons
            .split('.')
            .any(|python| abis.iter().any(|abi| fits(python, abi)))
            && platforms
                .split('.')
                .any(|platform| interpreter.runs_on(platform))
    }
}

/// CPython of a minor version of 3, on a machine with the GNU C library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The minor version: 6 for 3.6.
    pub minor: u32,
    /// The machine, as uname(1) names it (`x86_64`).
    pub machine: String,
    /// The minor version of its C library: 17 for 2.17.
    pub glibc_minor: u32,
}

impl Interpreter {
    /// The ABI tags of what it can use, its own first.
    pub fn abis(&self) -> [String; 3] {
        [self.abi(), "abi3".to_owned(), "none".to_owned()]
    }

    /// The platform tags of what runs on its machine, the newest first.
    pub fn platforms(&self) -> impl Iterator<Item = String> {
        let numbered = (5..=self.glibc_minor)
            .rev()
            .map(|minor| format!("manylinux_2_{minor}"));
        let named = ["manylinux2014", "manylinux2010", "manylinux1", "linux"].map(str::to_owned);
        let all = numbered
            .chain(named)
            .map(|tag| format!("{tag}_{}", self.machine));
        all.filter(|platform| self.runs_on(platform))
    }

    // The tag of its own ABI: the `m` of pymalloc went with 3.8.
    fn abi(&self) -> String {
        let m = if self.minor < 8 { "m" } else { "" };
        format!("cp3{}{m}", self.minor)
    }

    fn has(&self, python: &str, abi: &str) -> bool {
        let minor_of = |tag: &str| {
            tag.strip_prefix('3')
                .and_then(|minor| minor.parse::<u32>().ok())
        };
        match (python.split_at_checked(2), abi) {
            (Some(("py", "3")), "none") => true,
            (Some(("py" | "cp", minor)), "none") => {
                minor_of(minor).is_some_and(|m| m <= self.minor)
            }
            // Built for 3.2 at least, whose limited ABI is kept by all that came after.
            (Some(("cp", minor)), "abi3") => {
                minor_of(minor).is_some_and(|m| (2..=self.minor).contains(&m))
            }
            (Some(("cp", minor)), abi) => minor_of(minor) == Some(self.minor) && abi == self.abi(),
            _ => false,
        }
    }

    fn runs_on(&self, platform: &str) -> bool {
        if platform == "any" {
            return true;
        }
        let Some(tag) = platform.strip_suffix(&format!("_{}", self.machine)) else {
            return false;
        };
        let needs = match tag {
            "linux" => Some(0),
            // PEP 513, 571 and 599; PEP 600 writes the version itself.
            "manylinux1" => Some(5),
            "manylinux2010" => Some(12),
            "manylinux2014" => Some(17),
            _ => tag
                .strip_prefix("manylinux_2_")
                .and_then(|minor| minor.parse().ok()),
        };
        needs.is_some_and(|minor: u32| minor <= self.glibc_minor)
    }
}

impl fmt::Display for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            minor,
            machine,
            glibc_minor,
        } = self;
        write!(
            f,
            "Python 3.{minor} on {machine} with glibc 2.{glibc_minor}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CentOS 7's.
    fn python36() -> Interpreter {
        Interpreter {
            minor: 6,
            machine: "x86_64".to_owned(),
            glibc_minor: 17,
        }
    }

    fn is_for(name: &str) -> bool {
        name.parse::<WheelName>().unwrap().is_for(&python36())
    }

    #[test]
    fn a_name_says_which_version_of_what() {
        let name: WheelName = "python_etcd-0.4.5-py3-none-any.whl".parse().unwrap();
        assert_eq!(
            (name.distribution(), name.version()),
            ("python_etcd", "0.4.5")
        );
        let built_twice: WheelName = "a-1.0.post1-2local-py2.py3-none-any.whl".parse().unwrap();
        assert_eq!(built_twice.version(), "1.0.post1");
        for wrong in [
            "a-1.whl",
            "a-1-py3-none-any.zip",
            "a--py3-none-any.whl",
            "../a-1-py3-none-any.whl",
            "a-1-b-py3-none-any.whl",
        ] {
            assert!(wrong.parse::<WheelName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_runs_on_the_hosts_python_is_told_from_what_does_not() {
        for name in [
            "six-1.17.0-py2.py3-none-any.whl",
            "PyYAML-6.0.1-cp36-cp36m-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "psutil-7.2.2-cp36-abi3-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
            "old-1-cp35-abi3-manylinux1_x86_64.whl",
            "wcwidth-0.2.14-py36-none-any.whl",
        ] {
            assert!(is_for(name), "{name}");
        }
        for name in [
            "PyYAML-6.0.1-cp39-cp39-manylinux2014_x86_64.whl",
            "PyYAML-6.0.1-cp36-cp36m-manylinux2014_aarch64.whl",
            "a-1-cp36-cp36m-manylinux_2_28_x86_64.whl",
            "a-1-cp36-cp36m-musllinux_1_1_x86_64.whl",
            "a-1-cp36-cp36m-win_amd64.whl",
            "a-1-py2-none-any.whl",
            "a-1-py37-none-any.whl",
            "a-1-cp37-abi3-manylinux1_x86_64.whl",
        ] {
            assert!(!is_for(name), "{name}");
        }
    }
}
