//! Searching hosts and bundles for secrets, in every form in which they might leak.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::command::{Failure, Said, ask_with_input, command, run};
use crate::host::Host;
use crate::release::Release;

/// Where programs write on a host.
const WRITTEN: &str = "/etc /var /run /tmp /root /home /opt /srv /usr/local /boot";

/// Texts of which none may be found where it should not be, one a line.
pub struct Needles {
    lines: Vec<String>,
}

impl Needles {
    /// The cluster's passwords and private keys. They were drawn for it, so
    /// each is a sentinel: it stands nowhere by chance.
    pub fn of(release: &Release) -> Result<Self, Failure> {
        let file = fs::read(release.secrets.join("passwords.json"))?;
        let passwords: serde_json::Value = serde_json::from_slice(&file)?;
        let passwords = passwords["passwords"].as_object();
        let passwords = passwords.ok_or("passwords.json has no passwords")?;
        let mut secrets = Vec::new();
        for (account, password) in passwords {
            let password = password.as_str();
            let password = password.ok_or_else(|| format!("{account} has no password"))?;
            secrets.push(password.to_owned());
        }
        secrets.push(key_line(&release.secrets.join("ca.key"))?);
        secrets.push(key_line(&release.secrets.join("signer.key"))?);
        for (node, _) in &release.cluster.nodes {
            for purpose in ["etcd", "patroni", "postgres"] {
                let key = format!("nodes/{node}/{purpose}.key");
                secrets.push(key_line(&release.secrets.join(key))?);
            }
        }
        let lines = secrets.iter().flat_map(|secret| forms(secret)).collect();
        Ok(Self { lines })
    }

    /// Those that stand in a text, shortened so that a test's output tells no secret.
    pub fn found_in(&self, text: &str) -> Vec<String> {
        let found = self.lines.iter().filter(|line| text.contains(*line));
        found.map(|line| format!("{}…", &line[..4])).collect()
    }

    /// Files of a host in which one stands, as root or as `nobody` sees them.
    pub fn files_on(&self, host: &Host, is_nobody: bool) -> Result<String, Failure> {
        let who = if is_nobody {
            "setpriv --reuid=nobody --regid=nogroup --clear-groups "
        } else {
            ""
        };
        let search = format!("{who}grep -r -l -a -F -D skip -s -f - {WRITTEN}");
        files(host.ask_with_input(&search, &self.text())?)
    }

    /// Files below a folder of this machine in which one stands.
    pub fn files_below(&self, folder: &Path) -> Result<String, Failure> {
        let mut grep = command("grep");
        grep.args(["-r", "-l", "-a", "-F", "-f", "-"]).arg(folder);
        files(ask_with_input(&mut grep, &self.text())?)
    }

    fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// grep ends with 1 when it found nothing, and with 2 when it could not read
/// everything too, which `nobody` never can.
fn files(said: Said) -> Result<String, Failure> {
    match said.code {
        0..=2 => Ok(said.out),
        code => Err(format!("grep ended with {code}: {}", said.err).into()),
    }
}

/// A line of a private key's own, by which it is known again.
fn key_line(path: &Path) -> Result<String, Failure> {
    let key = fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    // The first line of PKCS #8 is the same in every key but for its end; the second is not.
    let line = key.lines().filter(|line| !line.starts_with("-----")).nth(1);
    let line = line.ok_or_else(|| format!("{} is no private key", path.display()))?;
    Ok(line.to_owned())
}

/// Plain, URL-encoded, and in base64 at each of the three places in which a text can begin.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), url_encoded(secret)];
    for before in ["", "x", "xx"] {
        let text = format!("{before}{secret}");
        let encoded = STANDARD.encode(&text);
        // Four characters carry three bytes: those shared with what stands around it differ.
        let from = if before.is_empty() { 0 } else { 4 };
        let to = text.len() / 3 * 4;
        // Fewer could stand somewhere by chance.
        if to - from >= 12 {
            forms.push(encoded[from..to].to_owned());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn url_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Unpacks every bundle of a public folder, beside a copy of the rest, for a search.
pub fn unpack_public(public: &Path, to: &Path) -> Result<(), Failure> {
    run(command("cp")
        .args(["-r", "--reflink=auto"])
        .arg(public)
        .arg(to))?;
    for role in ["etcd", "postgres", "proxy"] {
        let unpacked = to.join(format!("unpacked-{role}"));
        fs::create_dir(&unpacked)?;
        let bundle = public.join(format!("bundles/{role}.tar.gz"));
        run(command("tar")
            .arg("-xzf")
            .arg(bundle)
            .arg("-C")
            .arg(unpacked))?;
    }
    Ok(())
}
