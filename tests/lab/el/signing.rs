//! The key that signs the lab's repositories, as a publisher's does.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::command::{Failure, command, run};

/// A key that was made for these repositories and is kept beside them.
pub struct Key {
    home: PathBuf,
    /// The fingerprint, in capitals.
    pub fingerprint: String,
}

impl Key {
    /// Makes it, as old RSA as CentOS 7's, and lays its public half into `public`.
    pub fn make(home: &Path, public: &Path) -> Result<Self, Failure> {
        fs::DirBuilder::new().mode(0o700).create(home)?;
        let mut key = Self {
            home: home.to_owned(),
            fingerprint: String::new(),
        };
        run(key
            .gpg()
            .args(["--passphrase", "", "--quick-generate-key"])
            .args([
                "The lab's el-shaped repositories",
                "rsa2048",
                "sign",
                "never",
            ]))?;
        let told = run(key.gpg().args(["--with-colons", "--list-keys"]))?;
        let line = told.lines().find(|line| line.starts_with("fpr:"));
        let fingerprint = line.and_then(|line| line.split(':').nth(9));
        key.fingerprint = fingerprint.ok_or("gpg tells no fingerprint")?.to_owned();
        let armored = run(key.gpg().args(["--armor", "--export"]))?;
        fs::write(public, armored + "\n")?;
        Ok(key)
    }

    /// Signs packages, header and payload.
    pub fn sign_packages(&self, packages: &[PathBuf]) -> Result<(), Failure> {
        run(command("rpmsign")
            .arg("--addsign")
            .args(["--define", &format!("_gpg_path {}", self.home.display())])
            .args(["--define", &format!("_gpg_name {}", self.fingerprint)])
            .args(["--define", "_gpg_digest_algo sha256"])
            .args(["--define", "__gpg /usr/bin/gpg"])
            .args(packages))
        .map(drop)
    }

    /// Signs a repository's list beside it, as `repomd.xml.asc`.
    pub fn sign_beside(&self, file: &Path) -> Result<(), Failure> {
        run(self
            .gpg()
            .args(["--yes", "--armor", "--detach-sign"])
            .arg(file))
        .map(drop)
    }

    /// Ends the agent that gpg started for the key's folder.
    pub fn forget(self) -> Result<(), Failure> {
        let mut gpgconf = command("gpgconf");
        run(gpgconf
            .arg("--homedir")
            .arg(&self.home)
            .args(["--kill", "gpg-agent"]))
        .map(drop)
    }

    fn gpg(&self) -> std::process::Command {
        let mut gpg = command("gpg");
        gpg.args(["--batch", "--quiet", "--no-permission-warning", "--homedir"]);
        gpg.arg(&self.home);
        gpg
    }
}
