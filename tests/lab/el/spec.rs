//! A spec with a subpackage for each piece, over a root that has their files already.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::piece::Piece;
use crate::command::{Failure, command, run};

/// Owners by their numbers, as the root itself names them.
struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

/// Builds an RPM of each piece out of `root` into `into`.
///
/// What they require and provide is read from their programs by rpm's own
/// generator for ELF files; everything else that Debian says of dependencies
/// has other names on Enterprise Linux.
pub fn build(root: &Path, pieces: &[Piece], folder: &Path, into: &Path) -> Result<(), Failure> {
    let spec = folder.join("pieces.spec");
    fs::write(&spec, text(root, pieces)?)?;
    rpmbuild(&spec, root, folder, into, &[])
}

/// Runs rpmbuild over files that lie in `root`, uncompressed and untouched.
pub fn rpmbuild(
    spec: &Path,
    root: &Path,
    folder: &Path,
    into: &Path,
    defines: &[(&str, &str)],
) -> Result<(), Failure> {
    // Of the generators only that for ELF files: Debian's Perl and Python name other things.
    let attributes = folder.join("attributes");
    fs::create_dir_all(&attributes)?;
    fs::copy(
        "/usr/lib/rpm/fileattrs/elf.attr",
        attributes.join("elf.attr"),
    )?;
    let mut rpmbuild = command("rpmbuild");
    rpmbuild.args(["-bb", "--quiet", "--noclean", "--buildroot"]);
    rpmbuild.arg(root);
    let topdir = folder.join("rpmbuild").display().to_string();
    let into = into.display().to_string();
    let attributes = attributes.display().to_string();
    let fixed = [
        ("_topdir", topdir.as_str()),
        ("_rpmdir", &into),
        (
            "_rpmfilename",
            "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
        ),
        ("_fileattrsdir", &attributes),
        ("_binary_payload", "w1.gzdio"),
        ("_build_id_links", "none"),
        ("debug_package", "%{nil}"),
        ("__spec_install_pre", "%{___build_pre}"),
        ("__os_install_post", "%{nil}"),
        ("__check_files", "%{nil}"),
        ("_unpackaged_files_terminate_build", "0"),
    ];
    for (name, value) in fixed.iter().chain(defines) {
        rpmbuild.arg("--define").arg(format!("{name} {value}"));
    }
    run(rpmbuild.arg(spec)).map(drop)
}

fn text(root: &Path, pieces: &[Piece]) -> Result<String, Failure> {
    let names = Names {
        users: numbers(&root.join("etc/passwd"))?,
        groups: numbers(&root.join("etc/group"))?,
    };
    let mut text = "Name: el-shaped\nVersion: 7\nRelease: 1\nSummary: Repackaged\n\
                    License: its own\n%description\nRepackaged.\n"
        .to_owned();
    for piece in pieces {
        let name = &piece.name;
        let version = &piece.version;
        text += &format!("%package -n {name}\nSummary: {name}, as Debian built it\n");
        text += &format!("Epoch: {}\n", version.epoch);
        text += &format!(
            "Version: {}\nRelease: {}\n",
            version.version, version.release
        );
        if piece.is_noarch {
            text += "BuildArch: noarch\n";
        }
        for provided in &piece.provides {
            text += &format!("Provides: {provided}\n");
        }
        text += &format!("%description -n {name}\nAs Debian built it.\n%files -n {name}\n");
        for file in &piece.files {
            text += &line(root, file, piece.conffiles.contains(file), &names)?;
        }
    }
    Ok(text)
}

/// A line of %files; none for what is not there, and for a name that a spec cannot say.
fn line(root: &Path, file: &str, is_conffile: bool, names: &Names) -> Result<String, Failure> {
    let is_said = !file.contains(['\\', '*', '?', '{', '"', '%']);
    let found = root.join(&file[1..]).symlink_metadata();
    let (true, Ok(found)) = (is_said, found) else {
        return Ok(String::new());
    };
    let owner = |names: &BTreeMap<u32, String>, number| {
        let name = names.get(&number).cloned();
        name.ok_or_else(|| format!("{file} is of {number}, which the root does not name"))
    };
    let (user, group) = (
        owner(&names.users, found.uid())?,
        owner(&names.groups, found.gid())?,
    );
    let mode = match found.is_symlink() {
        true => "-".to_owned(),
        false => format!("{:04o}", found.mode() & 0o7777),
    };
    let kind = match (is_conffile, found.is_dir()) {
        _ if ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"].contains(&file) => {
            "%verify(not md5 size mtime) %config(noreplace) "
        }
        (true, _) => "%config(noreplace) ",
        (_, true) => "%dir ",
        _ => "",
    };
    Ok(format!("%attr({mode},{user},{group}) {kind}\"{file}\"\n"))
}

/// The names in a file such as /etc/passwd by their numbers.
fn numbers(file: &Path) -> Result<BTreeMap<u32, String>, Failure> {
    let text = fs::read_to_string(file)?;
    let entry = |line: &str| -> Option<(u32, String)> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    Ok(text.lines().filter_map(entry).collect())
}
