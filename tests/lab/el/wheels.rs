//! Patroni for the Python that these hosts have, in the place of the wheels for 3.6.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::command::{Failure, run};

/// What `centos7` asks for (the comment over its `[python]`), and pip itself.
const WANTED: [&str; 3] = ["patroni[etcd3]>=3.3,<4", "psycopg2-binary", "pip==23.0.1"];

/// Brings them into `folder` with the pip of Debian's Python, which the hosts have, too.
pub fn bring(folder: &Path) -> Result<(), Failure> {
    // In the caller's environment, which may name an index, a proxy or certificates.
    let mut pip = Command::new("/usr/bin/python3");
    pip.args([
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-cache-dir",
        "--wheel-dir",
    ]);
    run(pip.arg(folder).args(WANTED).stdin(Stdio::null())).map(drop)
}

/// Puts the wheels in `folder` into the place of those of a profile's table `python`.
pub fn put(folder: &Path, python: &mut toml::Table) -> Result<(), Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    let (mut wheels, mut pip) = (Vec::new(), None);
    for file in files {
        let bytes = fs::read(&file)?;
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("pip-") {
            pip = Some(name.clone());
        }
        let mut wheel = toml::Table::new();
        wheel.insert("file".into(), name.into());
        wheel.insert("size".into(), i64::try_from(bytes.len())?.into());
        wheel.insert("sha256".into(), hex::encode(Sha256::digest(&bytes)).into());
        wheels.push(toml::Value::Table(wheel));
    }
    for (key, value) in [
        ("version", "3.11"),
        ("program", "/usr/bin/python3.11"),
        ("machine", "x86_64"),
        ("glibc", "2.36"),
        ("pip", &pip.ok_or("pip brought no pip")?),
    ] {
        python.insert(key.into(), value.into());
    }
    python.insert("wheel".into(), wheels.into());
    // What exists as source alone is a wheel by now.
    python.remove("tool");
    Ok(())
}
