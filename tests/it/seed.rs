//! Seeds: what cloud-init and YAML readers make of them, and what the two
//! scripts do on a host, run for real in a folder that stands for its root.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pgbundle::base::{Role, Sha256};
use pgbundle::bundle::assignment::{Access, Mode};
use pgbundle::identity::{Account, Identities};
use pgbundle::node::stop::Stop;
use pgbundle::seed::identity::{DeliverySource, Identity, Pinned, PinnedBundle, SecretFile};
use pgbundle::seed::nocloud::{meta_data, network_config};
use pgbundle::seed::user_data::{LIMIT, UserData, UserDataError, plant, stub};
use serde_json::{Value, json};

use crate::sample::{accepts, day, debian, node, open, plan, run};

/// A node program for tests.
const PROGRAM: &[u8] = b"#!/bin/sh\necho \"node program: $*\"\n";
const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "sh"], &["bash", "--posix"]];

fn secret(path: &str, content: &str, is_certificate: bool) -> SecretFile {
    SecretFile {
        path: path.parse().unwrap(),
        access: Access {
            owner: "postgres".to_owned(),
            group: "postgres".to_owned(),
            mode: Mode::new(0o600),
        },
        content: content.to_owned(),
        services: vec!["patroni".to_owned()],
        is_certificate,
    }
}

/// What a node with every role is given: three pairs, and the files that hold passwords.
fn secrets(identities: &Identities, name: &str) -> Vec<SecretFile> {
    let node = identities.node(&name.parse().unwrap()).unwrap();
    let mut files = Vec::new();
    for (purpose, pair) in node.all() {
        let at = format!("/etc/pgbundle/{}", purpose.as_str());
        files.push(secret(&format!("{at}.key"), pair.key.expose(), true));
        files.push(secret(&format!("{at}.pem"), &pair.certificate, true));
    }
    for account in Account::ALL {
        let lines = format!(
            "\"{account:?}\" \"{}\"\n",
            identities.password(account).expose()
        );
        files.push(secret(&format!("/etc/pgbundle/{account:?}"), &lines, false));
    }
    files
}

fn pinned(path: &str, content: &[u8]) -> Pinned {
    Pinned {
        path: path.parse().unwrap(),
        size: content.len() as u64,
        sha256: Sha256::of(content),
    }
}

fn identity_of(name: &str, identities: &Identities, sources: &[&str]) -> Identity {
    let plan = plan();
    let node = plan
        .spec
        .nodes
        .iter()
        .find(|node| node.name.as_str() == name)
        .unwrap();
    let source = |text: &&str| DeliverySource::try_from((*text).to_owned()).unwrap();
    let bundle = |role: Role| PinnedBundle {
        role,
        file: pinned(&format!("bundles/{role}.tar.gz"), role.as_str().as_bytes()),
    };
    Identity {
        format: Default::default(),
        cluster: plan.spec.cluster.clone(),
        cluster_id: identities.cluster_id().to_owned(),
        node: node.name.clone(),
        address: node.address,
        roles: node.roles.clone(),
        profile: plan.profile.name.clone(),
        architecture: plan.architecture.clone(),
        os: debian(),
        generation: 1,
        date: day(0),
        valid_from: identities.valid_from(&node.name),
        expires: identities.expires(&node.name),
        signer: identities.signer().public().to_pem(),
        node_program: pinned("pgbundle-node", PROGRAM),
        bundles: Role::ALL.map(bundle).to_vec(),
        sources: sources.iter().map(source).collect(),
        secrets: secrets(identities, name),
    }
}

fn identity(sources: &[&str]) -> Identity {
    let folder = tempfile::tempdir().unwrap();
    identity_of("db-1", &open(folder.path(), &plan(), 0), sources)
}

/// A node's user-data, for those who judge its form.
pub fn user_data_of_a_node() -> String {
    let made = UserData::of(&identity(&["media"])).unwrap();
    String::from_utf8(made.as_bytes().to_vec()).unwrap()
}

/// Reads YAML as PyYAML does, which is what cloud-init reads it with.
fn pyyaml(text: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.yaml");
    fs::write(&file, text).unwrap();
    let mut python = Command::new("python3");
    python
        .arg("-c")
        .arg("import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))");
    serde_json::from_str(&accepts(python.arg(file))).unwrap()
}

#[test]
fn three_seeds_fit_every_platform() {
    let folder = tempfile::tempdir().unwrap();
    let identities = open(folder.path(), &plan(), 0);
    let sources = ["media", "folder:/srv/pgbundle", "http://10.0.0.9:8000/demo"];
    for name in ["db-1", "db-2", "db-3"] {
        let made = UserData::of(&identity_of(name, &identities, &sources)).unwrap();
        let size = made.as_bytes().len();
        println!("user-data of {name}: {size} of {LIMIT} bytes");
        assert!(size <= LIMIT);
        let again = UserData::of(&identity_of(name, &identities, &sources)).unwrap();
        assert!(made == again);
    }
}

#[test]
fn what_would_not_fit_is_no_user_data() {
    let mut identity = identity(&["media"]);
    let noise: String = (0..9_000u32)
        .map(|n| Sha256::of(&n.to_le_bytes()).to_string()[..2].to_owned())
        .collect();
    identity
        .secrets
        .push(secret("/etc/pgbundle/noise", &noise, false));
    let refused = UserData::of(&identity).err().unwrap();
    let UserDataError::TooLarge { size, .. } = refused else {
        panic!("{refused}")
    };
    let words = format!("{} more than the 16384", size - LIMIT);
    assert!(refused.to_string().contains(&words), "{refused}");
}

#[test]
fn cloud_init_and_pyyaml_read_what_was_meant() {
    let identity = identity(&["media", "folder:/srv/it's a bundle"]);
    let made = UserData::of(&identity).unwrap();
    let text = std::str::from_utf8(made.as_bytes()).unwrap();
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    assert_eq!(
        pyyaml(text),
        json!({ "manage_etc_hosts": false, "bootcmd": [plant(&identity)] })
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("user-data");
    fs::write(&file, text).unwrap();
    accepts(
        Command::new("cloud-init")
            .args(["schema", "--config-file"])
            .arg(&file),
    );
}

#[test]
fn meta_data_is_stable_and_names_the_host() {
    let mut identity = identity(&["media"]);
    let before = meta_data(&identity);
    identity.generation = 9;
    identity.secrets.clear();
    assert_eq!(meta_data(&identity), before);
    let id = format!("demo-db-1-{}", &identity.cluster_id[..8]);
    assert_eq!(
        pyyaml(&before),
        json!({ "instance-id": id, "local-hostname": "db-1" })
    );
}

#[test]
fn network_config_is_read_as_it_was_meant() {
    let with_mac = node("db-1", "10.0.0.11/24", &[Role::Etcd]);
    let read = pyyaml(&network_config(&with_mac).unwrap());
    let expected = json!({ "version": 2, "ethernets": { "eth0": {
        "match": { "macaddress": "52:54:00:12:34:56" },
        "dhcp4": false, "dhcp6": false, "accept-ra": false,
        "addresses": ["10.0.0.11/24"],
        "routes": [{ "to": "0.0.0.0/0", "via": "10.0.0.1" }],
        "nameservers": { "addresses": ["10.0.0.2", "10.0.0.3"] },
    }}});
    assert_eq!(read, expected);
    let mut without = with_mac.clone();
    let network = without.network.as_mut().unwrap();
    (network.mac, network.gateway) = (None, None);
    network.dns.clear();
    let read = pyyaml(&network_config(&without).unwrap());
    assert_eq!(read["ethernets"]["eth0"]["match"], json!({ "name": "e*" }));
    assert_eq!(read["ethernets"]["eth0"]["routes"], Value::Null);
    without.network = None;
    assert_eq!(network_config(&without), None);
}

/// What each of cloud-init's renderers makes of the file.
#[test]
fn every_renderer_of_cloud_init_takes_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network-config");
    let mut node = node("db-1", "10.0.0.11/24", &[Role::Etcd]);
    for mac in [node.network.as_ref().unwrap().mac.clone(), None] {
        node.network.as_mut().unwrap().mac = mac;
        fs::write(&file, network_config(&node).unwrap()).unwrap();
        for (distro, renderer) in [
            ("debian", "eni"),
            ("debian", "netplan"),
            ("debian", "networkd"),
            ("rhel", "sysconfig"),
        ] {
            let out = folder.path().join(renderer);
            let mut convert = Command::new("cloud-init");
            convert.args([
                "devel",
                "net-convert",
                "-k",
                "yaml",
                "-D",
                distro,
                "-O",
                renderer,
            ]);
            accepts(convert.arg("-p").arg(&file).arg("-d").arg(&out));
            let text = all_text(&out);
            let parts: Vec<_> = text
                .split(|c: char| c != '.' && !c.is_ascii_digit())
                .collect();
            for part in ["10.0.0.11", "10.0.0.1", "10.0.0.2"] {
                assert!(parts.contains(&part), "{renderer} lost {part}: {text}");
            }
            fs::remove_dir_all(&out).unwrap();
        }
    }
}

fn all_text(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            text += &all_text(&entry.path());
        } else {
            text += &fs::read_to_string(entry.path())
                .unwrap()
                .replace(['"', '\''], "");
        }
    }
    text
}

/// A folder that stands for a host's root, with a PATH of its own.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        for folder in [
            "bin",
            "etc/systemd/system",
            "var/lib",
            "run",
            "usr/local/sbin",
        ] {
            fs::create_dir_all(host.at(folder)).unwrap();
        }
        host.program("systemctl", "echo \"$*\" >>\"$ROOT/systemctl.log\"");
        // This machine's own disks and mounts are none of the test's business.
        host.program("blkid", "exit 2");
        host.program("mount", "exit 1");
        host.program("umount", "exit 1");
        host
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn program(&self, name: &str, body: &str) {
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o755);
        let mut file = options.open(self.at("bin").join(name)).unwrap();
        write!(file, "#!/bin/sh\n{body}\n").unwrap();
    }

    /// Makes a PATH that holds these programs of the machine and no others.
    fn only(&self, programs: &[&str]) {
        for name in programs {
            let found = accepts(Command::new("sh").args(["-c", "command -v \"$0\"", name]));
            symlink(found.trim(), self.at("bin").join(name)).unwrap();
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.at("bin").display())
    }

    /// Runs a script of a seed with the host's folders instead of the machine's.
    fn run(&self, shell: &[&str], script: &str, path: &str) -> Output {
        let mut script = script.to_owned();
        for folder in [
            "/var/lib/cloud",
            "/var/lib/pgbundle",
            "/etc/systemd",
            "/run/",
            "/usr/local/sbin",
        ] {
            script = script.replace(folder, &format!("{}{folder}", self.0.path().display()));
        }
        fs::write(self.at("script.sh"), script).unwrap();
        let found = accepts(Command::new("sh").args(["-c", "command -v \"$0\"", shell[0]]));
        let mut command = Command::new(found.trim());
        command.args(&shell[1..]).arg(self.at("script.sh"));
        command
            .env_clear()
            .env("PATH", path)
            .env("ROOT", self.0.path());
        run(&mut command)
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("systemctl.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.at(path)).unwrap().mode() & 0o7777
    }
}

const SYSTEM: &str = ":/usr/sbin:/usr/bin:/sbin:/bin";
const SEED: &str = "var/lib/pgbundle/seed";
const ENABLE: &str = "--no-reload enable pgbundle.service";
const START: &str = "start --no-block pgbundle.service";

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn assert_planted(host: &Host, identity: &Identity) {
    let planted = fs::read(host.at(SEED).join("identity.json")).unwrap();
    let read: Identity = serde_json::from_slice(&planted).unwrap();
    assert!(read == *identity, "the identity differs");
    assert_eq!(host.mode(SEED), 0o700);
    assert_eq!(host.mode("var/lib/pgbundle"), 0o700);
    let mut names: Vec<_> = fs::read_dir(host.at(SEED))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["generation", "identity.json", "planted", "stub.sh"]);
    for name in ["identity.json", "stub.sh"] {
        assert_eq!(host.mode(&format!("{SEED}/{name}")), 0o600);
    }
    assert_eq!(host.mode("etc/systemd/system/pgbundle.service"), 0o644);
    let unit = fs::read_to_string(host.at("etc/systemd/system/pgbundle.service")).unwrap();
    let source = include_str!("../../cloud-init/pgbundle.service");
    let path = host.0.path().display().to_string();
    assert_eq!(unit.replace(&path, ""), source);
    let log = host.log();
    assert_eq!(log.last().unwrap(), START);
    // Links first: one reload reads them and the unit.
    let enabled = log.iter().rposition(|line| line == ENABLE).unwrap();
    assert_eq!(log[enabled + 1], "daemon-reload");
}

#[test]
fn every_shell_plants_the_identity_and_says_nothing() {
    for shell in SHELLS {
        let (host, identity) = (Host::new(), identity(&["media"]));
        let output = host.run(shell, &plant(&identity), &host.path(SYSTEM));
        assert!(
            output.status.success() && said(&output).is_empty(),
            "{shell:?}: {}",
            said(&output)
        );
        assert_planted(&host, &identity);
        assert_eq!(host.log().len(), 3);
    }
}

#[test]
fn a_later_boot_starts_the_unit_and_leaves_what_was_renewed() {
    let (host, identity) = (Host::new(), identity(&["media"]));
    host.run(SHELLS[0], &plant(&identity), &host.path(SYSTEM));
    fs::write(host.at(SEED).join("identity.json"), "renewed").unwrap();
    let output = host.run(SHELLS[0], &plant(&identity), &host.path(SYSTEM));
    assert!(output.status.success());
    assert_eq!(host.log()[3..], [START]);
    let kept = fs::read_to_string(host.at(SEED).join("identity.json")).unwrap();
    assert_eq!(kept, "renewed");
}

#[test]
fn until_the_host_has_settled_each_boot_is_the_first() {
    let (host, identity) = (Host::new(), identity(&["media"]));
    let done = "var/lib/cloud/instance/sem/config_ssh";
    let boot = || {
        for path in [done, "var/lib/cloud/data/instance-id"] {
            fs::create_dir_all(host.at(path).parent().unwrap()).unwrap();
            fs::write(host.at(path), "").unwrap();
        }
        host.run(SHELLS[0], &plant(&identity), &host.path(SYSTEM));
        [done, "var/lib/cloud/data/instance-id"].map(|path| host.at(path).exists())
    };
    assert_eq!(boot(), [false, false]);
    assert_eq!(boot(), [false, false]);
    fs::write(host.at(SEED).join("settled"), "").unwrap();
    assert_eq!(boot(), [true, true]);
}

#[test]
fn a_new_seed_is_planted_over_the_old() {
    let (host, mut identity) = (Host::new(), identity(&["media"]));
    host.run(SHELLS[0], &plant(&identity), &host.path(SYSTEM));
    identity.generation += 1;
    host.run(SHELLS[0], &plant(&identity), &host.path(SYSTEM));
    assert_planted(&host, &identity);
}

/// Kills the script at its first, second, … command, then boots again.
/// (`base64` is not counted: in its pipe it would count at once with `gzip`.)
#[test]
fn a_cut_at_any_command_is_made_good_by_the_next_boot() {
    let identity = identity(&["media"]);
    let mut cuts = 0;
    loop {
        let host = Host::new();
        for name in [
            "mkdir",
            "chmod",
            "rm",
            "cat",
            "gzip",
            "sync",
            "mv",
            "systemctl",
        ] {
            host.program(
                name,
                &format!(
                    "n=$(/bin/cat \"$ROOT/count\" 2>/dev/null || echo 0)\n\
                     echo $((n + 1)) >\"$ROOT/count\"\n\
                     [ \"$n\" != \"{cuts}\" ] || {{ kill -9 $PPID; exit 1; }}\n\
                     [ {name} != systemctl ] || {{ echo \"$*\" >>\"$ROOT/systemctl.log\"; exit; }}\n\
                     PATH={} exec {name} \"$@\"",
                    &SYSTEM[1..]
                ),
            );
        }
        let cut = host.run(SHELLS[0], &plant(&identity), &host.path(SYSTEM));
        // Too late to count again: from here on nothing is cut.
        fs::write(host.at("count"), "1000").unwrap();
        let again = host.run(SHELLS[0], &plant(&identity), &host.path(SYSTEM));
        assert!(again.status.success(), "after cut {cuts}: {}", said(&again));
        assert_planted(&host, &identity);
        if cut.status.success() {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 14, "only {cuts} commands were cut");
}

#[test]
fn shellcheck_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(&["media", "folder:/srv/it's", "https://host/x"]);
    let file = folder.path().join("stub.sh");
    fs::write(&file, stub(&identity)).unwrap();
    accepts(Command::new("shellcheck").args(["-s", "sh"]).arg(&file));
    let file = folder.path().join("plant.sh");
    fs::write(&file, format!("#!/bin/sh\n{}", plant(&identity))).unwrap();
    accepts(Command::new("shellcheck").arg(&file));
}

#[test]
fn the_unit_tries_again_what_may_pass_and_not_what_was_refused() {
    let unit = include_str!("../../cloud-init/pgbundle.service");
    assert!(unit.contains("\nRestart=on-failure\n"));
    assert!(unit.contains("\nRestartPreventExitStatus=1 2\n"));
    assert_eq!(Stop::refuse("no").exit_code(), 1);
    assert_eq!(Stop::Input(String::new()).exit_code(), 2);
    assert_eq!(Stop::World(String::new()).exit_code(), 3);
}

#[test]
fn systemd_accepts_the_unit() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("cloud-init/pgbundle.service");
    accepts(Command::new("systemd-analyze").arg("verify").arg(unit));
}

fn is_installed(host: &Host) -> bool {
    let program = host.at("usr/local/sbin/pgbundle-node");
    let entries = fs::read_dir(host.at("usr/local/sbin")).unwrap().count();
    if !program.exists() {
        assert_eq!(entries, 0, "something is left behind");
        return false;
    }
    assert_eq!(fs::read(&program).unwrap(), PROGRAM);
    assert_eq!(
        (entries, host.mode("usr/local/sbin/pgbundle-node")),
        (1, 0o755)
    );
    true
}

#[test]
fn every_shell_installs_from_a_folder_and_hands_over() {
    for shell in SHELLS {
        let host = Host::new();
        let folder = host.at("srv/it's here");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("pgbundle-node"), PROGRAM).unwrap();
        let source = format!("folder:{}", folder.display());
        let text = stub(&identity(&["media", "folder:/nowhere", &source]));
        let output = host.run(shell, &text, &host.path(SYSTEM));
        let words = said(&output);
        assert!(output.status.success(), "{shell:?}: {words}");
        assert!(words.ends_with("node program: up\n"), "{shell:?}: {words}");
        assert!(
            words.contains("no /nowhere/pgbundle-node"),
            "{shell:?}: {words}"
        );
        assert!(is_installed(&host));
        fs::remove_dir_all(&folder).unwrap();
        let again = said(&host.run(shell, &text, &host.path(SYSTEM)));
        assert_eq!(again, "node program: up\n");
    }
}

/// Answers every request with these bytes, for as long as the test runs.
fn serve(content: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n",
                content.len()
            );
            // A client that hangs up early is that client's own affair.
            let _ = stream.write_all(&[head.as_bytes(), content].concat());
        }
    });
    format!("http://{address}")
}

#[test]
fn installs_by_http_with_whatever_can_fetch() {
    let url = serve(PROGRAM);
    let tools = [
        "sh",
        "grep",
        "head",
        "rm",
        "mkdir",
        "chmod",
        "sync",
        "mv",
        "wc",
        "sha256sum",
    ];
    for fetcher in [&["curl"][..], &["wget"], &["python3"], &[]] {
        let host = Host::new();
        host.only(&tools);
        if fetcher != ["python3"] {
            host.only(fetcher);
        } else {
            symlink("/usr/bin/python3", host.at("bin/python3")).unwrap();
        }
        let text = stub(&identity(&["media", &url]));
        let output = host.run(SHELLS[0], &text, &host.path(""));
        let words = said(&output);
        assert_eq!(
            output.status.success(),
            !fetcher.is_empty(),
            "{fetcher:?}: {words}"
        );
        assert_eq!(
            is_installed(&host),
            !fetcher.is_empty(),
            "{fetcher:?}: {words}"
        );
        assert_eq!(
            words.contains("neither curl nor wget"),
            fetcher.is_empty(),
            "{words}"
        );
    }
}

#[test]
fn another_digest_is_refused_and_the_next_source_tried() {
    let altered: &'static [u8] = PROGRAM.to_ascii_uppercase().leak();
    let wrong = serve(altered);
    for (sources, is_found) in [
        (vec![wrong.clone()], false),
        (vec![wrong, serve(PROGRAM)], true),
    ] {
        let host = Host::new();
        let sources: Vec<_> = sources.iter().map(String::as_str).collect();
        let output = host.run(SHELLS[1], &stub(&identity(&sources)), &host.path(SYSTEM));
        let words = said(&output);
        assert!(words.contains("with another digest"), "{words}");
        assert_eq!(output.status.code(), Some(i32::from(!is_found)), "{words}");
        assert_eq!(is_installed(&host), is_found);
    }
}

#[test]
fn a_program_that_is_cut_off_is_asked_for_again() {
    let host = Host::new();
    let cut = serve(&PROGRAM[..PROGRAM.len() - 1]);
    let output = host.run(SHELLS[0], &stub(&identity(&[&cut])), &host.path(SYSTEM));
    let words = said(&output);
    assert!(words.contains("cut off:"), "{words}");
    assert_eq!(
        output.status.code(),
        Some(3),
        "the unit tries again: {words}"
    );
    assert!(!is_installed(&host));
}

#[test]
fn a_source_that_gives_more_than_is_right_does_not_fill_the_disk() {
    static ENDLESS: [u8; 1 << 20] = [b'#'; 1 << 20];
    let host = Host::new();
    fs::write(host.at("pgbundle-node"), ENDLESS).unwrap();
    let folder = format!("folder:{}", host.at("").display());
    let sources = [folder.trim_end_matches('/'), &serve(&ENDLESS)];
    let words = said(&host.run(SHELLS[0], &stub(&identity(&sources)), &host.path(SYSTEM)));
    let refused = format!("refused: {} bytes with another digest", PROGRAM.len() + 1);
    assert_eq!(words.matches(&refused).count(), 2, "{words}");
}

#[test]
fn an_altered_program_on_the_host_is_replaced() {
    let host = Host::new();
    fs::write(
        host.at("usr/local/sbin/pgbundle-node"),
        "#!/bin/sh\necho old\n",
    )
    .unwrap();
    let text = stub(&identity(&[&serve(PROGRAM)]));
    let words = said(&host.run(SHELLS[0], &text, &host.path(SYSTEM)));
    assert!(
        words.ends_with("node program: up\n") && is_installed(&host),
        "{words}"
    );
}

#[test]
fn nowhere_to_be_found_is_a_failure_that_says_so() {
    let host = Host::new();
    let output = host.run(SHELLS[0], &stub(&identity(&["media"])), &host.path(SYSTEM));
    assert_eq!(output.status.code(), Some(3), "the unit tries again");
    let words = said(&output);
    assert!(
        words.contains("no disk labelled PGBUNDLE or cidata has it"),
        "{words}"
    );
    assert!(words.contains("trying again in 10 s"), "{words}");
}

#[test]
fn what_old_cloud_inits_cannot_read_is_refused() {
    let refused = UserData::of(&identity(&["folder:/srv/\u{1f389}"]))
        .err()
        .unwrap();
    let UserDataError::Character { character, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(character, '\u{1f389}');
}
