//! A cluster's hosts on a network of their own, from which nothing leads out.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::base;
use crate::cluster::Cluster;
use crate::command::Failure;
use crate::host::Host;
use crate::network::{self, Network};
use crate::server::Server;
use crate::sink::Sink;
use crate::vm::{self, Vm, Wiring};
use crate::workspace::Workspace;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The hosts, their network and the end of every way out.
pub struct Lab {
    /// Who is where.
    pub cluster: Cluster,
    story: String,
    run: String,
    folder: PathBuf,
    workspace: Workspace,
    // Dropped in this order: hosts before the network that they are on.
    hosts: Vec<Host>,
    machine: Option<Vm>,
    ports: BTreeMap<String, u8>,
    sink: Option<Sink>,
    server: Option<Server>,
    network: Network,
}

impl Lab {
    /// Makes the hosts of a cluster, all of them off and never booted.
    pub fn new(story: &str, cluster: Cluster) -> Result<Self, Failure> {
        let base = base::image(&Workspace::open()?.folder.join("base"))?;
        Self::with_image(story, cluster, &base)
    }

    /// The same with hosts that start from another disk than the base.
    pub fn with_image(story: &str, cluster: Cluster, base: &Path) -> Result<Self, Failure> {
        let workspace = Workspace::open()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let run = format!("pgb{}x{count}", process::id());
        let folder = workspace.create_run(&run)?;
        let network = Network::create(&format!("{run}-net"), cluster.gateway)?;
        let mut lab = Self {
            sink: Some(Sink::open(&network, cluster.gateway.addr())?),
            hosts: Vec::new(),
            machine: None,
            ports: BTreeMap::new(),
            server: None,
            story: story.to_owned(),
            cluster,
            run,
            folder,
            workspace,
            network,
        };
        lab.create_hosts(base)?;
        Ok(lab)
    }

    fn create_hosts(&mut self, base: &Path) -> Result<(), Failure> {
        for (name, address) in self.cluster.nodes.clone() {
            self.create_host(&name, address, address.octets()[3], base)?;
        }
        Ok(())
    }

    /// Adds a virtual machine, off and never booted; `medium` is its seed's ISO.
    pub fn add_machine(
        &mut self,
        name: &str,
        address: Ipv4Addr,
        medium: &Path,
    ) -> Result<(), Failure> {
        let image = vm::image(&self.workspace.folder.join("base"))?;
        let wiring = Wiring {
            namespace: self.network.path(),
            tap: self.network.tap(address)?,
            medium: medium.to_owned(),
        };
        let machine = format!("{}-{name}", self.run);
        let folder = self.folder.join(name);
        self.machine = Some(Vm::create(name, address, &machine, folder, image, wiring)?);
        Ok(())
    }

    /// The virtual machine.
    pub fn machine(&self) -> &Vm {
        let machine = self.machine.as_ref();
        machine.expect("the story added a machine before it asked for it")
    }

    /// The virtual machine, to be changed.
    pub fn machine_mut(&mut self) -> &mut Vm {
        let machine = self.machine.as_mut();
        machine.expect("the story added a machine before it asked for it")
    }

    fn create_host(
        &mut self,
        name: &str,
        address: Ipv4Addr,
        port: u8,
        base: &Path,
    ) -> Result<(), Failure> {
        let machine = format!("{}-{name}", self.run);
        let namespace = self.network.plug(&machine, port)?;
        let folder = self.folder.join(name);
        let host = Host::create(name, address, &machine, folder, base, namespace)?;
        self.ports.insert(name.to_owned(), port);
        self.hosts.push(host);
        Ok(())
    }

    /// One more host, off and never booted, whose seed gives it the address of a node.
    pub fn add_twin(&mut self, name: &str, of: &str) -> Result<(), Failure> {
        let base = base::image(&self.workspace.folder.join("base"))?;
        let address = self.host(of).address;
        // A port and a hardware address that no node has.
        let port = 255 - u8::try_from(self.hosts.len())?;
        self.create_host(name, address, port, &base)
    }

    /// A folder of this run, gone when the lab ends.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The namespace in which the clients are.
    pub fn namespace(&self) -> PathBuf {
        self.network.path()
    }

    /// The run's name, with which all that it makes on the machine begins.
    pub fn run_name(&self) -> &str {
        &self.run
    }

    /// Keeps a server of bundles running for as long as the lab stands.
    pub fn serve(&mut self, server: Server) {
        self.server = Some(server);
    }

    /// Ends the server of bundles.
    pub fn stop_serving(&mut self) {
        self.server = None;
    }

    /// A host by its name.
    pub fn host(&self, name: &str) -> &Host {
        let host = self.hosts.iter().find(|host| host.name == name);
        host.unwrap_or_else(|| panic!("the story names a host {name} that the spec does not have"))
    }

    /// A host by its name, to be changed.
    pub fn host_mut(&mut self, name: &str) -> &mut Host {
        let host = self.hosts.iter_mut().find(|host| host.name == name);
        host.unwrap_or_else(|| panic!("the story names a host {name} that the spec does not have"))
    }

    /// All hosts, in the spec's order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Where everything ends that tries to leave.
    pub fn sink(&self) -> &Sink {
        self.sink
            .as_ref()
            .expect("it is taken only when the lab ends")
    }

    /// Switches one host on.
    pub fn boot(&mut self, name: &str) -> Result<(), Failure> {
        self.host_mut(name).boot()
    }

    /// Switches all hosts on at once.
    pub fn boot_all(&mut self) -> Result<(), Failure> {
        self.at_once(Host::boot)
    }

    /// Restarts all hosts at once, in order.
    pub fn reboot_all(&mut self) -> Result<(), Failure> {
        self.at_once(Host::shut_down)?;
        self.boot_all()
    }

    /// Takes one host's power.
    pub fn cut_power(&mut self, name: &str) -> Result<(), Failure> {
        self.host_mut(name).cut_power()
    }

    /// Pulls a host's cable out of the bridge, or puts it back.
    pub fn set_cable(&self, name: &str, is_in: bool) -> Result<(), Failure> {
        let port = self.ports.get(name).ok_or("no such host")?;
        self.network.set_port(*port, is_in)
    }

    /// Takes the power of some hosts at the same instant.
    pub fn cut_power_of(&mut self, names: &[String]) -> Result<(), Failure> {
        self.at_once_these(names, Host::cut_power)
    }

    /// Switches some hosts on at once.
    pub fn boot_these(&mut self, names: &[String]) -> Result<(), Failure> {
        self.at_once_these(names, Host::boot)
    }

    fn at_once(&mut self, act: fn(&mut Host) -> Result<(), Failure>) -> Result<(), Failure> {
        let names: Vec<String> = self.hosts.iter().map(|host| host.name.clone()).collect();
        self.at_once_these(&names, act)
    }

    fn at_once_these(
        &mut self,
        names: &[String],
        act: fn(&mut Host) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let faults: Vec<String> = thread::scope(|scope| {
            let threads: Vec<_> = self
                .hosts
                .iter_mut()
                .filter(|host| names.contains(&host.name))
                .map(|host| scope.spawn(move || act(host).map_err(|cause| cause.to_string())))
                .collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended
                .filter_map(|result| {
                    result
                        .unwrap_or_else(|_| Err("a thread panicked".into()))
                        .err()
                })
                .collect()
        });
        if faults.is_empty() {
            return Ok(());
        }
        Err(faults.join("\n").into())
    }

    /// Leaves everything running after this process; `note` is kept for whoever ends it.
    pub fn leave_up(mut self, note: serde_json::Value) -> Result<(), Failure> {
        let marker = self.workspace.up_marker();
        fs::write(marker, serde_json::to_string_pretty(&note)? + "\n")?;
        self.sink = None;
        self.server = None;
        for host in self.hosts.drain(..) {
            host.leave();
        }
        std::mem::forget(self);
        Ok(())
    }

    fn keep_logs(&mut self) -> Result<(), Failure> {
        let folder = self.workspace.folder.join("failed").join(&self.story);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let seen = self.sink().seen().join("\n");
        fs::write(folder.join("sink.log"), seen)?;
        for host in &mut self.hosts {
            host.keep_logs(&folder.join(&host.name))?;
        }
        if let Some(machine) = &mut self.machine {
            machine.keep_logs(&folder.join(&machine.name))?;
        }
        eprintln!("lab: the hosts' logs are in {}", folder.display());
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.hosts.clear();
        self.machine = None;
        self.sink = None;
        self.server = None;
        network::remove_named(&format!("{}-", self.run))?;
        self.workspace.remove_run(&self.run)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if thread::panicking()
            && let Err(cause) = self.keep_logs()
        {
            eprintln!("lab: the logs are lost: {cause}");
        }
        if let Err(cause) = self.end() {
            eprintln!("lab: run {} is not wholly removed: {cause}", self.run);
        }
    }
}

/// Asks until the answer is yes; fails with the last answer when `limit` is over.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(cause) if start.elapsed() > limit => {
                return Err(format!("{what}: not within {limit:?}; last: {cause}").into());
            }
            Err(_) => sleep(Duration::from_millis(500)),
        }
    }
}
