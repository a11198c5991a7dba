//! What one role asks of one node: `cluster/nodes/<node>/assignment.json`.
//!
//! Rendered on the workstation, obeyed on the node. It names files, units,
//! owners and questions; it holds no secret and nothing is substituted into
//! what it names, but for [`FactFile`]'s closed list of facts.

use serde::{Deserialize, Serialize};

use super::environment::PythonEnvironment;
use crate::base::{BundlePath, NodeName, NodePath, Role, SchemaVersion, Sha256};

/// One role on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Format of this file.
    pub format: SchemaVersion<1>,
    /// The node it is for.
    pub node: NodeName,
    /// The role it describes.
    pub role: Role,
    /// Names given to the package manager; what they need follows from the repository.
    pub packages: Vec<String>,
    /// Units kept masked from before the packages are installed until their
    /// configuration lies in place, so that no package starts them too early.
    pub guarded_units: Vec<String>,
    /// Units masked for good: starters of the package that this cluster replaces.
    pub masked_units: Vec<String>,
    /// The Python environment that it runs on, where no package has what it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<PythonEnvironment>,
    /// Folders, made in this order after the packages (their users exist then).
    pub directories: Vec<Directory>,
    /// Files installed byte for byte.
    pub files: Vec<File>,
    /// Small includes that hold one fact only the host knows.
    pub facts: Vec<FactFile>,
    /// Marked blocks in files that others write too.
    pub blocks: Vec<Block>,
    /// TCP ports that must be free before anything is installed.
    pub ports: Vec<u16>,
    /// Folders of data that must be empty or this cluster's own.
    pub data: Vec<DataDirectory>,
    /// Services in the order in which they are started.
    pub services: Vec<Service>,
}

/// Who may do what with a file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Owner's user name on the node.
    pub owner: String,
    /// Group's name on the node.
    pub group: String,
    /// Permission bits, written in octal ("0640").
    pub mode: Mode,
}

/// Permission bits, written as four octal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u32);

impl Mode {
    /// From the bits themselves; the caller writes them in octal.
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_octal = text.len() == 4 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if is_octal => Ok(Self(bits)),
            _ => Err(format!("`{text}` is not a mode of four octal digits")),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> String {
        format!("{:04o}", mode.0)
    }
}

/// A folder that must exist with just these rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Where.
    pub path: NodePath,
    /// Owner, group and mode.
    pub access: Access,
}

/// When a file is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before the package manager runs (it reads the file). Owner is root then.
    BeforePackages,
    /// After it, when the packages' users exist.
    AfterPackages,
}

/// A file: of the cluster layer, or a plain one of the packages layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where on the node.
    pub path: NodePath,
    /// Owner, group and mode.
    pub access: Access,
    /// Digest of its content.
    pub sha256: Sha256,
    /// When it is installed.
    pub stage: Stage,
    /// Names of the services that take up a change of it.
    pub services: Vec<String>,
    /// Where in the bundle a plain file lies (`packages/files/<name>`); none:
    /// the file was rendered and lies at `cluster/nodes/<node>/files<path>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<BundlePath>,
}

/// A fact that only the host knows. The list is closed on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The network interface that carries the node's own address.
    InterfaceOfAddress,
    /// The host's memory in MiB.
    MemoryMib,
    /// The number of processors.
    Processors,
}

/// A generated include: `before`, the fact, `after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactFile {
    /// Where on the node.
    pub path: NodePath,
    /// Owner, group and mode.
    pub access: Access,
    /// Text before the fact.
    pub before: String,
    /// Which fact.
    pub fact: Fact,
    /// Text after it.
    pub after: String,
    /// Names of the services that take up a change of it.
    pub services: Vec<String>,
}

/// A marked block in a file that the system and other programs write too
/// (`/etc/hosts`); what stands outside the marks is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Where on the node.
    pub path: NodePath,
    /// Owner, group and mode of the whole file.
    pub access: Access,
    /// The block's text.
    pub text: String,
}

/// A folder of data that outlives every install. Its marker lies beside it
/// (`<path>.pgbundle.json`) and says whose it is and whether it ever held data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataDirectory {
    /// The folder itself (`/var/lib/postgresql/15/main`); never a mount point.
    pub path: NodePath,
    /// Owner, group and mode of the folder and of its marker's folder.
    pub access: Access,
    /// An entry of the folder that proves that it holds data (`PG_VERSION`, `member`).
    pub witness: String,
}

/// How a service takes something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uptake {
    /// `systemctl reload`.
    Reload,
    /// `systemctl restart`.
    Restart,
}

/// A unit that this role runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name in reports (`patroni`).
    pub name: String,
    /// Its unit (`patroni.service`).
    pub unit: String,
    /// The packages that it is made of, sorted: a new version of one is taken
    /// up by a restart. For Patroni that is PostgreSQL's, too, which it stops
    /// and starts with itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// How it takes changed configuration.
    pub on_change: Uptake,
    /// How it takes a renewed certificate.
    pub on_certificate: Uptake,
    /// The question whose answer says that it serves.
    pub health: Health,
}

impl Service {
    /// How it takes up a change of its configuration at `path`.
    pub fn uptake_of(&self, path: &str) -> Uptake {
        // systemd reads a unit's own file at its start alone.
        if path.starts_with("/etc/systemd/") {
            Uptake::Restart
        } else {
            self.on_change
        }
    }
}

/// A service that sets the clock; each has its own way of telling whether it
/// heard a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeKeeper {
    /// systemd-timesyncd.
    #[default]
    Timesyncd,
    /// chrony.
    Chrony,
}

impl TimeKeeper {
    fn is_timesyncd(&self) -> bool {
        *self == Self::Timesyncd
    }
}

/// A question that a service answers when it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Health {
    /// An HTTP(S) GET that must answer with this status. Trust is the cluster's CA set.
    Http {
        /// The URL, by address, never by name.
        url: String,
        /// The status that means "serves".
        status: u16,
        /// What is waited for, in words ("a quorum of etcd members").
        waits_for: String,
    },
    /// A TCP port that accepts a connection on the node's own address or loopback.
    Tcp {
        /// `address:port`.
        address: String,
        /// What is waited for, in words.
        waits_for: String,
    },
    /// The time service has heard its servers. A service with this question is
    /// started before all others, which start only once it is answered.
    ClockInStep {
        /// What is waited for, in words.
        waits_for: String,
        /// The time servers, for messages.
        servers: Vec<String>,
        /// The service that keeps the time.
        #[serde(default, skip_serializing_if = "TimeKeeper::is_timesyncd")]
        keeper: TimeKeeper,
    },
    /// The unit is active; there is nothing to ask it.
    UnitActive {
        /// What is waited for, in words.
        waits_for: String,
    },
}
