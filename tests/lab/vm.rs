//! A host with a kernel, a clock and disks of its own: Debian 12 in qemu.
//!
//! Software emulation, so that it runs on any machine. Its interface is on the
//! lab's bridge, from which nothing leads out; its seed is the ISO that the
//! build made, attached as a virtio disk (Debian's cloud kernel has no driver
//! for the CD drive of the emulated board).

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use pgbundle::base::Epoch;

use crate::cgroup::Cgroup;
use crate::command::{Failure, Said, command};
use crate::disk::Disk;
use crate::host::keep_disk_logs;

mod image;
mod shell;

use image::Image;
pub use image::image;
use shell::Shell;

/// Long enough for a machine to boot, as the first answer has to wait for that.
const PATIENCE: Duration = Duration::from_secs(240);

/// Enters the machine's cgroups and becomes the emulator.
const START: &str = r#"
for entrance in $ENTRANCES; do echo $$ >"$entrance"; done
exec qemu-system-x86_64 "$@"
"#;

/// Where a machine is plugged in, and what is attached to it.
pub struct Wiring {
    /// The network namespace that the interface is in.
    pub namespace: PathBuf,
    /// The TAP interface on the bridge.
    pub tap: String,
    /// The seed's ISO.
    pub medium: PathBuf,
}

/// A virtual machine, running or not.
pub struct Vm {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    folder: PathBuf,
    image: Image,
    disk: Disk,
    cgroup: Cgroup,
    wiring: Wiring,
    power: Option<Power>,
}

struct Power {
    emulator: Child,
    shell: Shell,
}

impl Vm {
    /// A machine that has never been booted. `machine` names its cgroup.
    pub fn create(
        name: &str,
        address: Ipv4Addr,
        machine: &str,
        folder: PathBuf,
        image: Image,
        wiring: Wiring,
    ) -> Result<Self, Failure> {
        fs::create_dir(&folder)?;
        Ok(Self {
            name: name.to_owned(),
            address,
            disk: Disk::copy(&image.disk, &folder.join("disk.ext4"), &folder.join("root"))?,
            cgroup: Cgroup::create(machine)?,
            folder,
            image,
            wiring,
            power: None,
        })
    }

    /// Switches the machine on, with what its battery-backed clock says; returns at once.
    pub fn boot(&mut self, clock: Epoch) -> Result<(), Failure> {
        if self.power.is_some() {
            return Err(format!("{} is on already", self.name).into());
        }
        self.disk.wait_until_free()?;
        let socket = self.folder.join("shell");
        if socket.exists() {
            fs::remove_file(&socket)?;
        }
        let said = fs::File::create(self.folder.join("emulator.log"))?;
        let emulator = self
            .start_command(clock, &socket)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        let shell = Shell::connect(&socket).map_err(|cause| {
            let said = fs::read_to_string(self.folder.join("emulator.log")).unwrap_or_default();
            format!("{}: {cause}\n{said}", self.name)
        })?;
        self.power = Some(Power { emulator, shell });
        Ok(())
    }

    fn start_command(&self, clock: Epoch, socket: &Path) -> std::process::Command {
        let entrances = self.cgroup.entrances();
        let entrances: Vec<_> = entrances
            .iter()
            .map(|path| path.to_string_lossy())
            .collect();
        let mut start = command("nsenter");
        start
            .env("ENTRANCES", entrances.join(" "))
            .arg(format!("--net={}", self.wiring.namespace.display()))
            .args(["sh", "-euc", START, "sh"])
            .args([
                "-machine",
                "q35,usb=off",
                "-cpu",
                "max",
                "-smp",
                "2",
                "-m",
                "1536",
            ])
            .args([
                "-accel",
                "tcg,thread=multi",
                "-nodefaults",
                "-no-user-config",
            ])
            .args(["-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(&self.image.kernel)
            .arg("-initrd")
            .arg(&self.image.initrd)
            .args([
                "-append",
                "root=LABEL=root rw console=ttyS0 quiet systemd.show_status=no",
            ])
            .args([
                "-rtc",
                &format!("base={}", clock.to_string().trim_end_matches('Z')),
            ]);
        self.add_devices(&mut start, socket);
        start
    }

    fn add_devices(&self, start: &mut std::process::Command, socket: &Path) {
        let octets = self.address.octets();
        let (disk, medium) = (&self.disk.image, &self.wiring.medium);
        let tap = &self.wiring.tap;
        for device in [
            [
                "-drive",
                &format!("file={},if=virtio,format=raw,cache=unsafe", disk.display()),
            ],
            [
                "-drive",
                &format!("file={},if=virtio,format=raw,readonly=on", medium.display()),
            ],
            [
                "-netdev",
                &format!("tap,id=net,ifname={tap},script=no,downscript=no"),
            ],
            [
                "-device",
                &format!(
                    "virtio-net-pci,netdev=net,romfile=,mac=52:54:00:77:00:{:02x}",
                    octets[3]
                ),
            ],
            ["-device", "virtio-rng-pci"],
            [
                "-chardev",
                &format!(
                    "file,id=console,append=on,path={}",
                    self.console_path().display()
                ),
            ],
            ["-serial", "chardev:console"],
            ["-device", "virtio-serial-pci"],
            [
                "-chardev",
                &format!("socket,id=lab,path={},server=on,wait=off", socket.display()),
            ],
            ["-device", "virtserialport,chardev=lab,name=lab"],
        ] {
            start.args(device);
        }
    }

    /// Runs a shell script on the machine, whatever its end; waits for a boot that is under way.
    pub fn ask(&self, script: &str) -> Result<Said, Failure> {
        let power = self.power.as_ref();
        let shell = &power.ok_or_else(|| format!("{} is off", self.name))?.shell;
        shell.ask(script, PATIENCE)
    }

    /// Runs a shell script on the machine to a good end and gives its output.
    pub fn run(&self, script: &str) -> Result<String, Failure> {
        let said = self.ask(script)?;
        if said.is_success() {
            return Ok(said.out);
        }
        Err(format!("{}: `{script}`: {said:?}", self.name).into())
    }

    /// What a person at the machine's console has seen, of all boots.
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

    /// Takes the machine's power. Its memory is gone, and with it what was not synced.
    pub fn cut_power(&mut self) -> Result<(), Failure> {
        self.cgroup.kill()?;
        if let Some(mut power) = self.power.take() {
            power.emulator.wait()?;
        }
        Ok(())
    }

    /// Ends the machine at once and writes down what it can tell about a failure.
    pub fn keep_logs(&mut self, folder: &Path) -> Result<(), Failure> {
        if let Some(power) = &self.power
            && let Err(cause) = power.shell.ask("sync", Duration::from_secs(20))
        {
            eprintln!(
                "lab: {}: the last of its journal is lost: {cause}",
                self.name
            );
        }
        self.cut_power()?;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("console.log"), self.console())?;
        fs::copy(
            self.folder.join("emulator.log"),
            folder.join("emulator.log"),
        )?;
        self.disk.with_mounted(|root| keep_disk_logs(root, folder))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if let Err(cause) = self.cut_power().and_then(|()| self.cgroup.remove()) {
            eprintln!("lab: {} cannot be removed: {cause}", self.name);
        }
    }
}
