//! A world in the way: full disks, folders that may not be written or read.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{refused, told};
use crate::support::{Ran, ended};
use crate::tiny::{self, Tiny, tree};

/// Mounts a small disk at a folder, brings what is in `before` onto it, runs the
/// rest of the words, and takes what then is on it to `after`.
const ON_A_SMALL_DISK: &str = r#"
at=$1 kib=$2; shift 2
mount -t tmpfs -o "size=${kib}k,mode=0755" none "$at" && cp -a before/. "$at/" || exit 99
"$@"
code=$?
cp -a "$at/." after/ || exit 99
exit $code
"#;

/// What is said where `small` has room for so many KiB, and then is on it.
fn on_a_small_disk(tiny: &Tiny, kib: u32, arguments: &[Vec<String>]) -> Ran {
    let mut program = tiny.sandbox.command();
    program.args(arguments.concat());
    on_a_small_disk_by(tiny, "small", kib, program)
}

/// The same at another folder, for any program.
pub(super) fn on_a_small_disk_by(tiny: &Tiny, at: &str, kib: u32, program: Command) -> Ran {
    for folder in [at, "before", "after"] {
        fs::create_dir_all(tiny.path(folder)).unwrap();
    }
    let mut command = tiny.sandbox.clean(Command::new("unshare"));
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", ON_A_SMALL_DISK, "sh", at, &kib.to_string()]);
    let ran = ended(command.arg(program.get_program()).args(program.get_args()));
    assert!(
        ran.code != 99 && !ran.stderr.starts_with("unshare: "),
        "this needs root, or user namespaces, to mount a small disk: {}",
        ran.stderr
    );
    ran
}

/// The program where root is nobody special: modes count for it as for anyone.
fn without_privileges(tiny: &Tiny, arguments: &[Vec<String>]) -> Ran {
    let mut command = Command::new("env");
    if rustix::process::geteuid().is_root() {
        command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search");
    }
    tiny.sandbox.run_by(command, &arguments.concat())
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// `build` with everything where it always is, but for what `more` says.
fn build(tiny: &Tiny, more: &[&str]) -> Vec<Vec<String>> {
    let more = more.iter().map(|word| (*word).to_owned()).collect();
    let verb = words(["build"]);
    vec![verb, tiny.cluster(), tiny.mirrors(), tiny.making(), more]
}

fn nothing_changed(tiny: &Tiny) {
    let (before, after) = (tiny.path("before"), tiny.path("after"));
    assert_eq!(tiny::difference(&before, &after), "");
}

/// Below these no name is a temporary one.
pub(super) fn nothing_unfinished(folder: &Path) {
    let is_temporary = |name: &&String| name.split('/').any(|part| part.starts_with('.'));
    let tree = tree(folder);
    let left: Vec<_> = tree.keys().filter(is_temporary).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_store_on_a_full_disk_holds_whole_blobs_or_none() {
    let tiny = Tiny::new();
    tiny.ask("lock", &[]).succeeded();
    let store = words(["--store", "small"]);
    let fetch = [
        words(["fetch"]),
        tiny.cluster_alone(),
        store,
        tiny.mirrors(),
    ];
    let ran = on_a_small_disk(&tiny, 20, &fetch);
    let said = told(&tiny, &ran);
    // Which files found room differs; how each of the others is told does not.
    let mut lines: Vec<_> = said.lines().map(str::to_owned).collect();
    let error = lines.iter().position(|line| line.starts_with("error: "));
    let reason = lines.len() - 2;
    lines[reason] = without_names(&lines[reason]);
    lines.drain(error.expect(&said)..reason);
    insta::assert_snapshot!(lines.join("\n"), @"
    exit code 3
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] KiB are not in the store yet
               cannot fill [ROOT]/small/sha256/[..]/.[NAME]: No space left on device (os error 28)
    hint: see to the store, to its disk and its rights, or name another: `--store DIR`
    ");
    fs::rename(tiny.path("after"), tiny.path("store.after")).unwrap();
    nothing_unfinished(&tiny.path("store.after/sha256"));
    let store = words(["--store", "store.after"]);
    let fetch = [
        words(["fetch"]),
        tiny.cluster_alone(),
        store,
        tiny.mirrors(),
    ];
    tiny.run(&fetch.concat(), &[]).succeeded();
}

#[test]
fn a_release_that_finds_no_room_leaves_nothing() {
    let tiny = Tiny::new();
    let ran = on_a_small_disk(&tiny, 40, &build(&tiny, &["--out", "small/dist"]));
    insta::assert_snapshot!(without_names(&told(&tiny, &ran)), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    lock     reading the signed indexes of Tiny
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] KiB are not in the store yet
    secrets  [ROOT]/secrets: keys and passwords made; keep this folder, back it up
    error: cannot write [ROOT]/small/dist/.[NAME]: No space left on device (os error 28)
    hint: make room there, or name another place
    ");
    nothing_changed(&tiny);
    nothing_unfinished(&tiny.path("secrets"));
}

#[test]
fn a_release_that_finds_no_room_leaves_the_one_before_it() {
    let tiny = Tiny::built();
    fs::create_dir(tiny.path("before")).unwrap();
    tiny::copy(&tiny.path("dist"), &tiny.path("before"));
    tiny.spec("\n[postgres.parameters]\nmax_connections = 77\n");
    // Room for it, and for half of another.
    let pages = |bytes: &[u8]| bytes.len().div_ceil(4096) * 4;
    let held = tree(&tiny.path("dist"));
    let kib: usize = held.values().flat_map(|e| &e.bytes).map(|b| pages(b)).sum();
    let kib = u32::try_from(kib * 3 / 2).unwrap();
    let ran = on_a_small_disk(&tiny, kib, &build(&tiny, &["--out", "small/dist"]));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    nothing_changed(&tiny);
}

#[test]
fn a_lock_that_finds_no_room_is_not_begun() {
    let tiny = Tiny::new();
    fs::create_dir(tiny.path("before")).unwrap();
    fs::copy(tiny.path("demo.toml"), tiny.path("before/demo.toml")).unwrap();
    let mut cluster = tiny.cluster();
    let spec = cluster.iter_mut().find(|word| word.ends_with("demo.toml"));
    *spec.unwrap() = "small/demo.toml".to_owned();
    let ran = on_a_small_disk(&tiny, 8, &[words(["lock"]), cluster, tiny.mirrors()]);
    insta::assert_snapshot!(told(&tiny, &ran), @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: cannot write small/demo.tiny-amd64.lock: No space left on device (os error 28)
    hint: make room there, or name another place
    ");
    nothing_changed(&tiny);
}

#[test]
fn secrets_that_find_no_room_are_gone_on_with() {
    let tiny = Tiny::new();
    let mut arguments = build(&tiny, &[]).concat();
    let secrets = tiny.path("secrets").display().to_string();
    let place = arguments.iter_mut().find(|word| **word == secrets);
    *place.unwrap() = "small/secrets".to_owned();
    let ran = on_a_small_disk(&tiny, 16, &[arguments]);
    insta::assert_snapshot!(told(&tiny, &ran), @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    lock     reading the signed indexes of Tiny
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] KiB are not in the store yet
    error: cannot write small/secrets/signer.pub: No space left on device (os error 28)
    hint: make room there, or name another place
    ");
    nothing_unfinished(&tiny.path("after/secrets"));
    let authority = fs::read(tiny.path("after/secrets/ca.key")).unwrap();
    fs::rename(tiny.path("after/secrets"), tiny.path("secrets")).unwrap();
    tiny.build(&[]).succeeded();
    assert_eq!(fs::read(tiny.path("secrets/ca.key")).unwrap(), authority);
}

/// Sets a mode for as long as `run` takes.
fn with_mode(tiny: &Tiny, path: &Path, mode: u32, run: &[Vec<String>]) -> Ran {
    let before = path.metadata().unwrap().permissions();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let ran = without_privileges(tiny, run);
    fs::set_permissions(path, before).unwrap();
    ran
}

#[test]
fn a_dist_that_may_not_be_written_is_told_before_anything_is_fetched() {
    let tiny = Tiny::built();
    tiny.spec("\n[postgres.parameters]\nmax_connections = 77\n");
    let (dist, build) = (tiny.path("dist"), build(&tiny, &[]));
    let said = refused(&tiny, |tiny| with_mode(tiny, &dist, 0o555, &build));
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: cannot write to dist: Permission denied (os error 13)
    hint: name another folder: `--out DIR`
    ");
}

#[test]
fn a_dist_below_a_file_is_no_folder() {
    let tiny = Tiny::fetched();
    fs::write(tiny.path("full"), "a file").unwrap();
    let said = refused(&tiny, |tiny| tiny.build_alone(&["--out", "full/dist"]));
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: cannot write to full: it is no folder
    hint: name another folder: `--out DIR`
    ");
}

#[test]
fn a_store_that_may_not_be_read_is_named() {
    let tiny = Tiny::fetched();
    let (store, build) = (tiny.path("store"), build(&tiny, &[]));
    let said = refused(&tiny, |tiny| with_mode(tiny, &store, 0, &build));
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    error: cannot create the folder [ROOT]/store/sha256: Permission denied (os error 13)
    hint: see to its rights and its disk, or name another: `--store DIR`
    ");
}

#[test]
fn a_blob_that_may_not_be_read_is_named() {
    let tiny = Tiny::fetched();
    let (blob, build) = (tiny.blob("patroni"), build(&tiny, &["--offline"]));
    let said = refused(&tiny, |tiny| with_mode(tiny, &blob, 0, &build));
    insta::assert_snapshot!(said, @"
    exit code 3
    plan     demo: 3 nodes, PostgreSQL 15 on Tiny (amd64)
    lock     [ROOT]/demo.tiny-amd64.lock: 10 packages, [N] KiB, as of 2026-01-05T02:11:10Z
    fetch    12 files, [N] KiB, of which [N] B are not in the store yet
    error: 1 file is not to be had:
             pool/main/patroni_3.0.2-1_all.deb of source `tiny` ([N] bytes, sha256 [SHA256])
               cannot open [ROOT]/store/sha256/[..]/[SHA256]: Permission denied (os error 13)
    hint: see to the store, to its disk and its rights, or name another: `--store DIR`
    ");
}

#[test]
fn a_folder_of_the_spec_that_may_not_be_written_is_named() {
    let tiny = Tiny::new();
    let (folder, lock) = (
        tiny.path(""),
        vec![words(["lock"]), tiny.cluster(), tiny.mirrors()],
    );
    fs::create_dir_all(tiny.path("store/sha256")).unwrap();
    for name in ["part", "aside"] {
        fs::create_dir(tiny.path("store").join(name)).unwrap();
    }
    let said = refused(&tiny, |tiny| with_mode(tiny, &folder, 0o555, &lock));
    insta::assert_snapshot!(said, @"
    exit code 3
    lock     reading the signed indexes of Tiny
    error: cannot create a file beside [ROOT]/demo.tiny-amd64.lock: Permission denied (os error 13)
    hint: see to whom it belongs and what its mode is, or name another place
    ");
}

/// Without the temporary name and the file below it: sizes differ by a byte or two.
fn without_names(said: &str) -> String {
    let line = |line: &str| match line.split_once("/.") {
        Some((before, after)) => {
            let (_, reason) = after.split_once(": ").expect(line);
            format!("{before}/.[NAME]: {reason}")
        }
        None => line.to_owned(),
    };
    said.lines().map(line).collect::<Vec<_>>().join("\n")
}
