//! Real packages: built by rpmbuild, indexed by createrepo_c, installed by dnf.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgbundle::base::Sha256;
use pgbundle::repo::rpm::element::{self, Outside};
use pgbundle::repo::rpm::entry::Entry;
use pgbundle::repo::rpm::file::PackageFile;
use pgbundle::repo::rpm::modules::{Choice, Modules};
use pgbundle::repo::rpm::package::Package;
use pgbundle::repo::rpm::repomd::{Data, Kind, Repomd};
use pgbundle::repo::rpm::set::PackageSet;
use pgbundle::repo::rpm::{base_list, filelists, primary};
use pgbundle::repo::unpack::Compression;

use super::closures::{close, new_packages};
use super::hard::Line;
use crate::sample::accepts;
use crate::support::Sandbox;

/// What comes first; a host installs some of it.
const FIRST: [&str; 7] = [
    "web 2:1.0-1; requires lib >= 1; requires /usr/bin/tool; requires (extra if lib); conflicts bad < 2; obsoletes oldweb < 3; provides oldweb = 3; file /etc/web.conf",
    "lib 1.5-1; provides lib(api) = 1; provides lib(any)",
    "tool 1-1; requires /usr/share/extra/data; file /usr/bin/tool",
    "extra 1-1; file /usr/share/extra/data; file /usr/share/extra/a & b",
    "oldweb 2-1",
    "bad 1-1",
    "user 1-1; requires lib = 1.5",
];

/// What comes later.
const LATER: [&str; 6] = [
    "lib 2.0-1; provides lib(api) = 2",
    "user 2-1; requires lib = 2.0",
    "new 1-1; requires lib(api) >= 2",
    "othertool 9-1; obsoletes tool < 5; provides tool = 5; file /usr/bin/tool",
    "wants 1-1; requires othertool",
    "far 1-1; requires /usr/share/extra/data; requires (wants if web)",
];

/// Programs that are missing here, or rights.
fn missing(programs: &[&str]) -> Option<String> {
    let is_missing = |program: &&&str| Command::new(program).arg("--version").output().is_err();
    let missing: Vec<_> = programs.iter().filter(is_missing).collect();
    match &missing[..] {
        [] => None,
        missing => Some(format!(
            "{missing:?} are missing (install rpm, createrepo-c and dnf)"
        )),
    }
}

fn spec(lines: &[Line<'_>]) -> String {
    let mut spec = String::new();
    let (mut install, mut files) = (String::new(), String::new());
    for (number, line) in lines.iter().enumerate() {
        let (epoch, rest) = line.evr.split_once(':').unwrap_or(("0", line.evr));
        let (version, release) = rest.split_once('-').unwrap();
        match number {
            0 => spec += &format!("Name: {}\nLicense: MIT\nBuildArch: noarch\n", line.name),
            _ => spec += &format!("%package -n {}\n", line.name),
        }
        spec += &format!("Summary: s\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\n");
        for (field, value) in &line.fields {
            match *field {
                "file" => {
                    let parent = value.rsplit_once('/').unwrap().0;
                    install += &format!(
                        "mkdir -p '%{{buildroot}}{parent}'\necho 1 >'%{{buildroot}}{value}'\n"
                    );
                }
                field => {
                    spec += &format!("{}{}: {value}\n", field[..1].to_uppercase(), &field[1..])
                }
            }
        }
        let owned: String = line
            .of("file")
            .iter()
            .map(|file| format!("\"{file}\"\n"))
            .collect();
        files += &format!("%files -n {}\n{owned}", line.name);
        match number {
            0 => spec += "%description\nd\n",
            _ => spec += &format!("%description -n {}\nd\n", line.name),
        }
    }
    format!("{spec}%install\n{install}{files}")
}

/// Builds the packages of some lines into `repository`.
fn build(folder: &Path, repository: &Path, lines: &[&str]) {
    let lines: Vec<_> = lines.iter().map(|line| Line::read(line)).collect();
    let top = folder.join(lines[0].name);
    fs::create_dir_all(&top).unwrap();
    fs::create_dir_all(repository).unwrap();
    fs::write(top.join("all.spec"), spec(&lines)).unwrap();
    accepts(
        Command::new("rpmbuild")
            .args(["-bb", "--quiet", "--define"])
            .arg(format!("_topdir {}", top.display()))
            .arg("--define")
            .arg(format!("_rpmdir {}", repository.display()))
            .arg("--define")
            .arg(format!("_dbpath {}", top.join("db").display()))
            .arg(top.join("all.spec")),
    );
}

fn createrepo(repository: &Path, compression: &str) {
    let kind = format!("--general-compress-type={compression}");
    accepts(
        Command::new("createrepo_c")
            .args(["--quiet", "--no-database"])
            .arg(kind)
            .arg(repository),
    );
}

fn repomd(repository: &Path) -> Repomd {
    let text = fs::read_to_string(repository.join("repodata/repomd.xml")).unwrap();
    Repomd::read(&text).unwrap()
}

/// What a part of the metadata holds, checked as a lock would.
fn opened(repository: &Path, data: &Data) -> String {
    let file = fs::read(repository.join(data.path.as_str())).unwrap();
    assert_eq!(
        (file.len() as u64, Sha256::of(&file)),
        (data.size, data.sha256)
    );
    let kind = Compression::of(data.path.as_str());
    let plain = kind.unpack(&file, data.open_size).unwrap();
    assert_eq!(
        (plain.size(), plain.sha256()),
        (data.open_size, data.open_sha256)
    );
    String::from_utf8(plain.bytes().clone()).unwrap()
}

fn rpm_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(rpm_files(&path)),
            false => files.extend(path.extension().is_some_and(|e| e == "rpm").then_some(path)),
        }
    }
    files
}

fn told(package: &Package<'_>) -> (String, [BTreeSet<String>; 4]) {
    // rpm's own features stand in an rpm and in no repository.
    let words = |entries: &[Entry<'_>]| {
        let entries = entries.iter().filter(|e| !e.name.starts_with("rpmlib("));
        entries.map(Entry::to_string).collect()
    };
    let lists = [
        &package.requires,
        &package.provides,
        &package.conflicts,
        &package.obsoletes,
    ];
    (package.to_string(), lists.map(|entries| words(entries)))
}

#[test]
fn reads_what_createrepo_c_writes_as_rpm_reads_the_packages() {
    if !super::is_there(missing(&["rpm", "rpmbuild", "createrepo_c"])) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repository");
    build(folder.path(), &repository, &FIRST);
    let answer = accepts(
        Command::new("rpm")
            .args(["-qp", "--queryformat", base_list::QUERY])
            .args(rpm_files(&repository)),
    );
    let mut rpms: Vec<_> = base_list::read(&answer).unwrap().iter().map(told).collect();
    rpms.sort();
    for compression in ["gz", "xz", "bz2"] {
        createrepo(&repository, compression);
        let repomd = repomd(&repository);
        let xml = opened(&repository, repomd.of(Kind::Primary).unwrap());
        let packages = primary::read(&xml, 0, |_| true).unwrap();
        let mut ours: Vec<_> = packages.iter().map(told).collect();
        ours.sort();
        assert_eq!(ours, rpms, "{compression}");
        for package in &packages {
            let archive = package.archive.as_ref().unwrap();
            let file = fs::read(repository.join(archive.location.as_str())).unwrap();
            assert_eq!(
                (Sha256::of(&file), file.len() as u64),
                (archive.sha256, archive.size)
            );
        }
        let lists = opened(&repository, repomd.of(Kind::Filelists).unwrap());
        let wanted = ["/usr/share/extra/data", "/usr/share/extra/a & b", "/none"].into();
        let owners = filelists::owners(lists.as_bytes(), &wanted).unwrap();
        let extra = packages.iter().find(|p| p.name == "extra").unwrap();
        let digest = extra.archive.as_ref().unwrap().sha256;
        assert_eq!(owners.len(), 2);
        assert!(owners.values().all(|all| *all == [digest]));
    }
}

/// dnf on a root of its own, with one repository and nothing of this machine's.
struct Dnf {
    folder: tempfile::TempDir,
}

impl Dnf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // dnf does not make the folder that it writes its log into.
        fs::create_dir(folder.path().join("log")).unwrap();
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("dnf");
        command
            .env("LC_ALL", "C.UTF-8")
            .arg("--installroot")
            .arg(self.at("root"));
        command.arg(format!(
            "--repofrompath=made,file://{}",
            self.at("made").display()
        ));
        command.args(["--repo=made", "--nogpgcheck", "--releasever=8", "--refresh"]);
        for (setting, name) in [
            ("reposdir", "none"),
            ("cachedir", "cache"),
            ("logdir", "log"),
            ("pluginpath", "none"),
        ] {
            command.arg(format!("--setopt={setting}={}", self.at(name).display()));
        }
        command.args([
            "--setopt=install_weak_deps=False",
            "--setopt=module_platform_id=platform:el8",
            "--setopt=best=True",
        ]);
        command
    }

    /// What installing the roots comes to.
    fn install(&self, roots: &[&str]) -> Result<BTreeSet<String>, String> {
        let output = self
            .command()
            .args(["--assumeno", "install"])
            .args(roots)
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if !said.contains("Operation aborted") && !said.contains("Nothing to do") {
            return Err(said);
        }
        let rows = said
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let new = rows.filter(|row| row.get(3) == Some(&"made"));
        Ok(new
            .map(|row| format!("{}-{}.{}", row[0], row[2], row[1]))
            .collect())
    }
}

fn dnf_missing() -> Option<String> {
    let program = missing(&["rpm", "rpmbuild", "createrepo_c", "dnf"]);
    program.or_else(|| {
        (!rustix::process::geteuid().is_root()).then(|| "dnf installs for root alone".to_owned())
    })
}

#[test]
fn a_package_says_of_itself_what_createrepo_c_says_of_it() {
    if !super::is_there(missing(&["rpm", "rpmbuild", "createrepo_c"])) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    build(folder.path(), &made, &FIRST);
    createrepo(&made, "gz");
    let xml = opened(&made, repomd(&made).of(Kind::Primary).unwrap());
    let theirs = primary::read(&xml, 0, |_| true).unwrap();
    let element = |package: &Package<'_>| {
        let archive = package.archive.as_ref().unwrap();
        let mut file = fs::File::open(made.join(archive.location.as_str())).unwrap();
        let outside = Outside {
            name: archive.location.as_str(),
            size: archive.size,
            sha256: archive.sha256,
        };
        element::write(&PackageFile::read(&mut file).unwrap(), &outside, &[]).unwrap()
    };
    let ours: String = theirs.iter().map(element).collect();
    let ours = format!("<metadata>{ours}</metadata>");
    let ours = primary::read(&ours, 0, |_| true).unwrap();
    assert_eq!(ours.len(), FIRST.len());
    for (our, their) in ours.iter().zip(&theirs) {
        let said = |package: &Package<'_>| {
            let all = |entries: &[Entry<'_>]| {
                let all: BTreeSet<_> = entries.iter().map(ToString::to_string).collect();
                format!("{all:?}")
            };
            let files: BTreeSet<_> = package.files.iter().map(ToString::to_string).collect();
            let installed = package
                .archive
                .as_ref()
                .map(|archive| archive.installed_size);
            format!(
                "{package} {installed:?} {} {} {} {} {files:?}",
                all(&package.requires),
                all(&package.provides),
                all(&package.conflicts),
                all(&package.obsoletes)
            )
        };
        assert_eq!(said(our), said(their));
    }
}

/// The list of dnf's root, made as a person makes it: by what the program says
/// to run there, in a shell.
fn captured(dnf: &Dnf) -> String {
    let sandbox = Sandbox::new();
    let query = sandbox.run(&["base", "query"]);
    let root = dnf.at("root").display().to_string();
    let there = format!(
        "rpm() {{ command rpm --root '{root}' \"$@\"; }}\n{}",
        query.stdout
    );
    sandbox.write("answer", &accepts(Command::new("sh").args(["-c", &there])));
    let about = ["--about", "what dnf installed"];
    let capture = ["base", "capture", "--rpm", "answer"];
    let list = sandbox.run(&[&capture[..], &about[..]].concat());
    assert_eq!(list.code, 0, "{}", list.stderr);
    assert!(
        list.stdout.starts_with("# what dnf installed\n"),
        "{}",
        list.stdout
    );
    list.stdout
}

#[test]
fn closes_as_dnf_does_upon_what_dnf_installed() {
    if !super::is_there(dnf_missing()) {
        return;
    }
    let dnf = Dnf::new();
    let made = dnf.at("made");
    build(dnf.folder.path(), &made, &FIRST);
    createrepo(&made, "gz");
    accepts(
        dnf.command()
            .args(["--assumeyes", "install", "oldweb", "user"]),
    );
    let list = captured(&dnf);
    let base = PackageSet::new(base_list::read(&list).unwrap());
    let names: Vec<_> = base.all().iter().map(|package| package.name).collect();
    // What obsoletes what is asked for came in its place.
    assert_eq!(names, ["extra", "lib", "tool", "user", "web"]);
    build(dnf.folder.path(), &made, &LATER);
    createrepo(&made, "gz");
    let repomd = repomd(&made);
    let xml = opened(&made, repomd.of(Kind::Primary).unwrap());
    let lists = opened(&made, repomd.of(Kind::Filelists).unwrap());
    let mut listed = PackageSet::new(primary::read(&xml, 0, |_| true).unwrap());
    let owners = filelists::owners(lists.as_bytes(), &listed.files_without_owner()).unwrap();
    listed.learn_files(&owners);
    for roots in [
        &["new"][..],
        &["user"],
        &["wants"],
        &["far"],
        &["bad"],
        &["lib", "wants"],
        &["nothing"],
        &["extra"],
    ] {
        let ours = close(&base, &listed, roots);
        let ours = ours.map(|(lowered, chosen)| new_packages(&lowered, &chosen));
        let theirs = dnf.install(roots);
        match (&ours, &theirs) {
            (Err(_), Err(_)) => {}
            _ => assert_eq!(
                ours.as_ref().ok(),
                theirs.as_ref().ok(),
                "{roots:?}: {ours:?}, {theirs:?}"
            ),
        }
        assert_eq!(
            ours.is_err(),
            ["bad", "nothing"].contains(&roots[0]),
            "{roots:?}: {ours:?}"
        );
    }
}

const MODULES: &str = "\
---
document: modulemd
version: 2
data:
  name: db
  stream: 10
  version: 1
  context: aa
  arch: x86_64
  summary: s
  description: d
  license: {module: [MIT]}
  dependencies:
  - requires: {platform: [el8]}
  artifacts:
    rpms: [db-0:10-1.noarch, db-tools-0:10-1.noarch]
...
---
document: modulemd
version: 2
data:
  name: db
  stream: \"12\"
  version: 1
  context: bb
  arch: x86_64
  summary: s
  description: d
  license: {module: [MIT]}
  artifacts:
    rpms: [dbtwelve-0:12-1.noarch]
...
---
document: modulemd-defaults
version: 1
data:
  module: db
  stream: 10
...
";

#[test]
fn hides_by_modules_what_dnf_hides() {
    if !super::is_there(dnf_missing()) {
        return;
    }
    let dnf = Dnf::new();
    let made = dnf.at("made");
    build(
        dnf.folder.path(),
        &made,
        &[
            "db 10-1",
            "db-tools 10-1",
            "dbtwelve 12-1",
            "plain 1-1",
            "compat 1-1; provides db-tools = 9",
        ],
    );
    build(dnf.folder.path(), &made, &["alien 13-1", "db 13-1"]);
    createrepo(&made, "gz");
    let yaml = dnf.at("modules.yaml");
    fs::write(&yaml, MODULES).unwrap();
    accepts(
        Command::new("modifyrepo_c")
            .arg("--mdtype=modules")
            .arg(&yaml)
            .arg(made.join("repodata")),
    );
    let repomd = repomd(&made);
    let xml = opened(&made, repomd.of(Kind::Primary).unwrap());
    let mut modules = Modules::default();
    modules
        .add(&opened(&made, repomd.of(Kind::Modules).unwrap()))
        .unwrap();
    for disabled in [vec![], vec!["db".to_owned()]] {
        if !disabled.is_empty() {
            accepts(
                dnf.command()
                    .args(["--assumeyes", "module", "disable", "db"]),
            );
        }
        let choice = Choice {
            disabled,
            ..Choice::default()
        };
        let hidden = modules.hidden(&choice, "x86_64");
        let packages = primary::read(&xml, 0, |_| true).unwrap();
        let visible =
            PackageSet::visible(packages, |package| hidden.by(package).map(str::to_owned));
        let ours: BTreeSet<_> = visible
            .all()
            .iter()
            .map(|package| package.to_string())
            .collect();
        let theirs = accepts(dnf.command().args([
            "--quiet",
            "repoquery",
            "--available",
            "--queryformat",
            "%{name}-%{evr}.%{arch}",
        ]));
        let theirs: BTreeSet<_> = theirs.lines().map(str::to_owned).collect();
        assert_eq!(ours, theirs, "{choice:?}");
    }
}
