//! One host: a Debian 12 in a container, with a disk and an interface of its own.

use std::fs::{self, File, OpenOptions};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cgroup::Cgroup;
use crate::command::{Failure, Said, ask, ask_with_input, command, run};
use crate::disk::{self, Disk};

/// The parts of a NoCloud seed.
pub const SEED_FILES: [&str; 3] = ["user-data", "meta-data", "network-config"];

/// Enters the host's cgroups, mounts its disk and becomes the container.
///
/// The mount is seen in this process's mount namespace alone and ends with it.
const START: &str = r#"
for entrance in $ENTRANCES; do echo $$ >"$entrance"; done
mount -o loop "$IMAGE" "$ROOT"
exec systemd-nspawn "$@"
"#;

/// A host, running or not.
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    machine: String,
    folder: PathBuf,
    disk: Disk,
    cgroup: Cgroup,
    namespace: PathBuf,
    bundles: Option<PathBuf>,
    power: Option<Power>,
}

struct Power {
    container: Child,
    init: u32,
}

impl Host {
    /// A host that has never been booted. `machine` names its container and its cgroup.
    pub fn create(
        name: &str,
        address: Ipv4Addr,
        machine: &str,
        folder: PathBuf,
        base: &Path,
        namespace: PathBuf,
    ) -> Result<Self, Failure> {
        fs::create_dir(&folder)?;
        Ok(Self {
            name: name.to_owned(),
            address,
            machine: machine.to_owned(),
            disk: Disk::copy(base, &folder.join("disk.ext4"), &folder.join("root"))?,
            cgroup: Cgroup::create(machine)?,
            namespace,
            bundles: None,
            power: None,
            folder,
        })
    }

    /// Lays a seed where cloud-init looks for it; the host must be off.
    pub fn plant(&self, seed: &Path) -> Result<(), Failure> {
        self.disk.with_mounted(|root| {
            let folder = root.join("var/lib/cloud/seed/nocloud");
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)?;
            for part in SEED_FILES {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(folder.join(part))?;
                let mut source = File::open(seed.join(part))
                    .map_err(|cause| format!("{}/{part}: {cause}", seed.display()))?;
                std::io::copy(&mut source, &mut file)?;
            }
            Ok(())
        })
    }

    /// Shows the host a folder of this machine at `/srv/pgbundle`, from its next boot.
    pub fn offer_bundles(&mut self, folder: &Path) {
        self.bundles = Some(folder.to_owned());
    }

    /// Works on the disk of a host that is off.
    pub fn with_disk<T: Send>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        self.disk.with_mounted(work)
    }

    /// Switches the host on; returns when its init runs.
    pub fn boot(&mut self) -> Result<(), Failure> {
        if self.power.is_some() {
            return Err(format!("{} is on already", self.name).into());
        }
        self.disk.wait_until_free()?;
        let console = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.console_path())?;
        let mut container = self
            .start_command()
            .stdout(console.try_clone()?)
            .stderr(console)
            .spawn()?;
        let init = wait_for_init(&mut container)
            .map_err(|cause| format!("{}: {cause}\n{}", self.name, self.console()))?;
        self.power = Some(Power { container, init });
        Ok(())
    }

    fn start_command(&self) -> std::process::Command {
        let entrances: Vec<_> = self
            .cgroup
            .entrances()
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let mut start = command("setsid");
        start
            .env("ENTRANCES", entrances.join(" "))
            .env("IMAGE", &self.disk.image)
            .env("ROOT", &self.disk.root)
            .arg("nsenter")
            .arg(format!("--net={}", self.namespace.display()))
            .args(["unshare", "--mount", "sh", "-euc", START, "sh"])
            .arg("--quiet")
            .arg(format!("--directory={}", self.disk.root.display()))
            .arg(format!("--machine={}", self.machine))
            .arg(format!(
                "--network-namespace-path={}",
                self.namespace.display()
            ))
            .args(["--capability=CAP_NET_ADMIN", "--register=no", "--keep-unit"])
            .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no"])
            .args(["--console=read-only", "--boot"])
            .stdin(Stdio::null());
        if let Some(bundles) = &self.bundles {
            start.arg(format!("--bind-ro={}:/srv/pgbundle", bundles.display()));
        }
        start
    }

    /// Runs a shell command on the host to a good end and gives its output.
    pub fn run(&self, script: &str) -> Result<String, Failure> {
        run(&mut self.shell(script)?)
    }

    /// Runs a shell command on the host, whatever its end.
    pub fn ask(&self, script: &str) -> Result<Said, Failure> {
        ask(&mut self.shell(script)?)
    }

    /// The same with text on standard input, where no process list shows it.
    pub fn ask_with_input(&self, script: &str, input: &str) -> Result<Said, Failure> {
        ask_with_input(&mut self.shell(script)?, input)
    }

    fn shell(&self, script: &str) -> Result<std::process::Command, Failure> {
        let power = self.power.as_ref();
        let init = power.ok_or_else(|| format!("{} is off", self.name))?.init;
        let mut shell = command("nsenter");
        shell.args(["-t", &init.to_string(), "-a", "--", "sh", "-c", script]);
        Ok(shell)
    }

    /// The command that gives a person a shell on the host.
    pub fn shell_line(&self) -> String {
        let init = self.power.as_ref().map_or(0, |power| power.init);
        format!("nsenter -t {init} -a")
    }

    /// What stands in the journal of all boots.
    pub fn journal(&self) -> Result<String, Failure> {
        self.run("journalctl --no-pager --output=short-precise")
    }

    /// What a person at the host's console has seen.
    pub fn console(&self) -> String {
        let bytes = fs::read(self.console_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn console_path(&self) -> PathBuf {
        self.folder.join("console.log")
    }

    /// The node program's report; none where it has written none yet.
    pub fn report(&self) -> Result<Option<serde_json::Value>, Failure> {
        let said = self.ask("cat /var/lib/pgbundle/report.json")?;
        if !said.is_success() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&said.out)?))
    }

    /// Takes the host's power: no process ends in order, nothing unsynced is kept.
    pub fn cut_power(&mut self) -> Result<(), Failure> {
        let power = self.power.as_ref();
        let init = power.ok_or_else(|| format!("{} is off", self.name))?.init;
        // Open, it keeps the file system from being unmounted, and so flushed, in order.
        let root = File::open(format!("/proc/{init}/root"))?;
        self.cgroup.kill()?;
        disk::cut_power(&root)?;
        drop(root);
        self.wait_off(Duration::from_secs(20))
    }

    /// Shuts the host down in order.
    pub fn shut_down(&mut self) -> Result<(), Failure> {
        self.run("systemctl poweroff --no-block")?;
        self.wait_off(Duration::from_secs(120))
    }

    /// Restarts the host in order.
    pub fn reboot(&mut self) -> Result<(), Failure> {
        self.shut_down()?;
        self.boot()
    }

    fn wait_off(&mut self, limit: Duration) -> Result<(), Failure> {
        let Some(power) = &mut self.power else {
            return Ok(());
        };
        let deadline = Instant::now() + limit;
        while power.container.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(format!("{} is still on after {limit:?}", self.name).into());
            }
            sleep(Duration::from_millis(50));
        }
        self.power = None;
        // A process that outlived the container would keep the disk.
        self.cgroup.kill()?;
        self.disk.wait_until_free()
    }

    /// Ends the host at once and writes down what it can tell about a failure.
    pub fn keep_logs(&mut self, folder: &Path) -> Result<(), Failure> {
        self.end()?;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("console.log"), self.console())?;
        self.disk.with_mounted(|root| keep_disk_logs(root, folder))
    }

    /// Leaves the host running after this process.
    pub fn leave(mut self) {
        self.power = None;
        std::mem::forget(self);
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.cgroup.kill()?;
        self.wait_off(Duration::from_secs(20))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let ended = self.end().and_then(|()| self.cgroup.remove());
        if let Err(cause) = ended {
            eprintln!("lab: {} cannot be removed: {cause}", self.name);
        }
    }
}

/// Writes down what the disk of a host that is off tells of a failure.
pub fn keep_disk_logs(root: &Path, folder: &Path) -> Result<(), Failure> {
    let journal = ask(command("journalctl")
        .args(["--no-pager", "--output=short-precise", "--directory"])
        .arg(root.join("var/log/journal")))?;
    fs::write(folder.join("journal.log"), journal.out)?;
    for path in [
        "var/log/cloud-init.log",
        "var/log/cloud-init-output.log",
        "var/lib/pgbundle/report.json",
        "var/lib/pgbundle/installing.json",
        "var/lib/postgresql/15/main.pgbundle.json",
        "var/log/dpkg.log",
        "var/log/dnf.log",
        "var/log/dnf.rpm.log",
    ] {
        let from = root.join(path);
        let to = folder.join(from.file_name().expect("the paths above have names"));
        if from.exists() {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

fn wait_for_init(container: &mut Child) -> Result<u32, Failure> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(status) = container.try_wait()? {
            return Err(format!("the container ended at once: {status}").into());
        }
        if let Some(init) = init_of(container.id()) {
            return Ok(init);
        }
        sleep(Duration::from_millis(50));
    }
    container.kill()?;
    Err("the container has no init after 30 s".into())
}

/// The child that is process 1 of its own namespace and has become systemd (proc(5), `NSpid`).
fn init_of(container: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{container}/task/{container}/children"));
    children.ok()?.split_whitespace().find_map(|child| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        let ids = status.lines().find(|line| line.starts_with("NSpid:"))?;
        let is_init = ids.split_whitespace().count() > 2 && ids.ends_with("\t1");
        (is_init && name.trim() == "systemd").then(|| child.parse().ok())?
    })
}
