//! Closures over hand-made packages, lowered as real ones are.

use super::*;
use crate::repo::rpm::evr::Evr;
use crate::solve;

/// Packages from lines of `name evr arch; requires what; provides what; file path; …`.
fn packages<'l>(lines: &[&'l str], is_base: bool) -> PackageSet<'l> {
    let package = |line: &&'l str| {
        let mut parts = line.split(';').map(str::trim);
        let mut words = parts.next().unwrap().split(' ');
        let (name, evr) = (words.next().unwrap(), words.next().unwrap());
        let parts: Vec<_> = parts.map(|part| part.split_once(' ').unwrap()).collect();
        let of = |field: &str| -> Vec<&'l str> {
            let mine = parts.iter().filter(|(name, _)| *name == field);
            mine.map(|(_, value)| *value).collect()
        };
        let entries = |field| of(field).into_iter().map(entry).collect::<Vec<_>>();
        Package {
            name,
            arch: words.next().unwrap_or("x86_64"),
            evr: Evr::parse(evr).unwrap(),
            requires: entries("requires").into(),
            provides: entries("provides").into(),
            conflicts: entries("conflicts").into(),
            obsoletes: entries("obsoletes").into(),
            files: of("file").into_iter().map(Into::into).collect(),
            archive: (!is_base).then(|| crate::repo::rpm::package::Archive {
                sha256: crate::base::Sha256::of(line.as_bytes()),
                location: "p.rpm".parse().unwrap(),
                size: 1,
                installed_size: 1,
                raw: line,
                repository: 0,
            }),
        }
    };
    PackageSet::new(lines.iter().map(package).collect())
}

fn entry(text: &str) -> Entry<'_> {
    match Requirement::read(text).unwrap() {
        Requirement::Entry(entry) => entry,
        _ => Entry {
            name: text.into(),
            range: None,
        },
    }
}

fn solved(base: &[&str], listed: &[&str], roots: &[&str]) -> Result<Vec<String>, String> {
    let (base, listed) = (packages(base, true), packages(listed, false));
    let lowered = lower(&base, &listed, roots, "x86_64").map_err(|e| e.to_string())?;
    let closure = solve::close(&lowered.model).map_err(|e| e.to_string())?;
    let chosen = closure.chosen.iter();
    let new = chosen.filter(|id| !lowered.model.solvable(**id).installed);
    let mut names: Vec<_> = new
        .filter_map(|id| lowered.packages[*id as usize])
        .map(|package| package.to_string())
        .collect();
    names.sort();
    Ok(names)
}

#[track_caller]
fn closes(base: &[&str], listed: &[&str], roots: &[&str], expected: &[&str]) {
    assert_eq!(
        solved(base, listed, roots).as_deref(),
        Ok(expected
            .iter()
            .map(|s| s.to_string())
            .collect::<Vec<_>>()
            .as_slice())
    );
}

#[track_caller]
fn fails(base: &[&str], listed: &[&str], roots: &[&str], why: &str) {
    let reason = solved(base, listed, roots).unwrap_err();
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn closes_over_requires_with_the_newest_and_an_older_one_where_it_must() {
    let listed = [
        "a 1-1; requires b >= 1",
        "b 1-1",
        "b 2-1; requires c",
        "c 1-1",
        "d 1-1; requires b < 2",
    ];
    closes(
        &[],
        &listed,
        &["a"],
        &["a-1-1.x86_64", "b-2-1.x86_64", "c-1-1.x86_64"],
    );
    closes(
        &[],
        &listed,
        &["a", "d"],
        &["a-1-1.x86_64", "b-1-1.x86_64", "d-1-1.x86_64"],
    );
    fails(
        &[],
        &["a 1-1; requires b > 2", "b 1-1"],
        &["a"],
        "the newest b is 1-1",
    );
    fails(&[], &["a 1-1; requires z"], &["a"], "nothing provides z");
}

#[test]
fn leaves_the_base_alone_until_something_needs_newer_and_never_downgrades() {
    let listed = [
        "a 1-1; requires libc",
        "d 1-1; requires libc >= 2",
        "libc 2-1",
        "o 1-1; requires libc < 1",
        "libc 0-1",
    ];
    closes(&["libc 1-1"], &listed, &["a"], &["a-1-1.x86_64"]);
    closes(
        &["libc 1-1"],
        &listed,
        &["d"],
        &["d-1-1.x86_64", "libc-2-1.x86_64"],
    );
    closes(&["libc 1-1"], &listed, &["libc"], &["libc-2-1.x86_64"]);
    fails(
        &["libc 1-1"],
        &listed,
        &["o"],
        "would have to be downgraded",
    );
}

#[test]
fn takes_providers_by_name_and_those_without_a_version_too() {
    let listed = [
        "a 1-1; requires v >= 2",
        "q 1-1; provides v",
        "p 1-1; provides v = 1",
        "r 1-1; provides v = 3",
    ];
    closes(&[], &listed, &["a"], &["a-1-1.x86_64", "q-1-1.x86_64"]);
    closes(&[], &listed, &["v"], &["q-1-1.x86_64"]);
    closes(
        &["r 1-1; provides v = 3"],
        &listed,
        &["a"],
        &["a-1-1.x86_64"],
    );
}

#[test]
fn finds_the_owner_of_a_file_and_says_which_are_unknown() {
    let listed = [
        "a 1-1; requires /usr/bin/b",
        "b 1-1; file /usr/bin/b",
        "c 1-1; requires /usr/share/x",
    ];
    closes(&[], &listed, &["a"], &["a-1-1.x86_64", "b-1-1.x86_64"]);
    let (base, mut listed) = (PackageSet::default(), packages(&listed, false));
    assert_eq!(listed.files_without_owner(), ["/usr/share/x"].into());
    let lowered = lower(&base, &listed, &["c"], "x86_64").unwrap();
    assert_eq!(lowered.unowned_files, ["/usr/share/x".to_owned()].into());
    let b = listed.named("b")[0].archive.as_ref().unwrap().sha256;
    listed.learn_files(&[("/usr/share/x".to_owned(), vec![b])].into());
    let lowered = lower(&base, &listed, &["c"], "x86_64").unwrap();
    assert_eq!(solve::close(&lowered.model).unwrap().chosen.len(), 2);
}

#[test]
fn does_not_pull_in_i686_where_x86_64_serves() {
    let listed = [
        "a 1-1; requires libx",
        "libx 1-1 x86_64",
        "libx 1-1 i686; requires glibc32",
        "glibc32 1-1 i686",
        "b 1-1; requires glibc32",
        "x 1-1 i686",
    ];
    closes(&[], &listed, &["a"], &["a-1-1.x86_64", "libx-1-1.x86_64"]);
    closes(&[], &listed, &["libx"], &["libx-1-1.x86_64"]);
    closes(&[], &listed, &["b"], &["b-1-1.x86_64", "glibc32-1-1.i686"]);
    closes(
        &[],
        &["a 1-1 noarch; requires b", "a 2-1 i686", "b 1-1"],
        &["a"],
        &["a-1-1.noarch", "b-1-1.x86_64"],
    );
}

#[test]
fn replaces_what_is_obsoleted() {
    let listed = [
        "new 1-1; obsoletes old < 2; provides old = 2",
        "a 1-1; requires new",
        "old 1-1",
        "b 1-1; requires old",
        "old 3-1",
    ];
    closes(
        &["old 1-1"],
        &listed[..2],
        &["a"],
        &["a-1-1.x86_64", "new-1-1.x86_64"],
    );
    closes(&[], &listed[..3], &["old"], &["new-1-1.x86_64"]);
    closes(
        &[],
        &listed[..4],
        &["b"],
        &["b-1-1.x86_64", "new-1-1.x86_64"],
    );
    closes(
        &["old 1-1", "u 1-1; requires old"],
        &listed[..2],
        &["a"],
        &["a-1-1.x86_64", "new-1-1.x86_64"],
    );
    fails(
        &["old 1-1", "u 1-1; requires old < 2"],
        &listed[..2],
        &["a"],
        "cannot be installed together",
    );
}

#[test]
fn goes_round_conflicts() {
    let listed = [
        "a 1-1; requires v",
        "p 1-1; provides v",
        "q 1-1; provides v",
        "c 1-1; conflicts p < 2",
        "s 1-1; provides m; conflicts m",
        "t 1-1; provides m; conflicts m",
    ];
    closes(
        &[],
        &listed,
        &["a", "c"],
        &["a-1-1.x86_64", "c-1-1.x86_64", "q-1-1.x86_64"],
    );
    closes(&[], &listed, &["s"], &["s-1-1.x86_64"]);
    fails(&[], &listed, &["s", "t"], "cannot be installed together");
}

#[test]
fn meets_rich_dependencies() {
    let listed = [
        "a 1-1; requires (x if y)",
        "b 1-1; requires y",
        "x 1-1",
        "y 1-1",
        "c 1-1; requires (n or x)",
        "d 1-1; requires (x and y)",
        "e 1-1; requires (v >= 1 with v < 2)",
        "p 1-1; provides v = 2",
        "q 1-1; provides v = 1",
        "f 1-1; requires (v without p)",
        "g 1-1; requires (x if y else q)",
        "h 1-1; conflicts (x unless y)",
    ];
    closes(&[], &listed, &["a"], &["a-1-1.x86_64"]);
    closes(
        &[],
        &listed,
        &["a", "b"],
        &[
            "a-1-1.x86_64",
            "b-1-1.x86_64",
            "x-1-1.x86_64",
            "y-1-1.x86_64",
        ],
    );
    closes(
        &["y 1-1"],
        &listed,
        &["a"],
        &["a-1-1.x86_64", "x-1-1.x86_64"],
    );
    closes(&[], &listed, &["c"], &["c-1-1.x86_64", "x-1-1.x86_64"]);
    closes(
        &[],
        &listed,
        &["d"],
        &["d-1-1.x86_64", "x-1-1.x86_64", "y-1-1.x86_64"],
    );
    closes(&[], &listed, &["e"], &["e-1-1.x86_64", "q-1-1.x86_64"]);
    closes(&[], &listed, &["f"], &["f-1-1.x86_64", "q-1-1.x86_64"]);
    closes(&[], &listed, &["g"], &["g-1-1.x86_64", "q-1-1.x86_64"]);
    closes(
        &["y 1-1"],
        &listed,
        &["g"],
        &["g-1-1.x86_64", "x-1-1.x86_64"],
    );
    closes(&[], &listed, &["h"], &["h-1-1.x86_64"]);
    closes(
        &[],
        &listed,
        &["h", "x"],
        &["h-1-1.x86_64", "x-1-1.x86_64", "y-1-1.x86_64"],
    );
}

#[test]
fn keeps_what_the_base_has_working_but_mends_nothing() {
    let listed = ["lib 2-1", "a 1-1; requires lib >= 2"];
    closes(
        &["lib 1-1", "u 1-1; requires gone"],
        &listed,
        &["a"],
        &["a-1-1.x86_64", "lib-2-1.x86_64"],
    );
    fails(
        &["lib 1-1", "u 1-1; requires lib < 2"],
        &listed,
        &["a"],
        "cannot be installed together",
    );
}

#[test]
fn lets_kernels_stand_side_by_side() {
    let kernel = [
        "kernel 2-1; provides kernel = 2",
        "m 1-1; requires kernel = 2",
    ];
    let base = [
        "kernel 1-1; provides kernel = 1",
        "kernel 0-1; provides kernel = 0",
        "t 1-1; requires kernel = 0",
    ];
    closes(
        &base,
        &kernel,
        &["m"],
        &["kernel-2-1.x86_64", "m-1-1.x86_64"],
    );
}

#[test]
fn says_which_module_hides_what_is_asked_for() {
    let all = packages(&["a 1-1; requires b", "b 1-1"], false)
        .all()
        .to_vec();
    let hides = |package: &Package<'_>| (package.name == "b").then(|| "m:1".to_owned());
    let (base, listed) = (PackageSet::default(), PackageSet::visible(all, hides));
    let lowered = lower(&base, &listed, &["a"], "x86_64").unwrap();
    let why = solve::close(&lowered.model).unwrap_err().to_string();
    assert!(why.contains("the module m:1 hides every b"), "{why}");
}

#[test]
fn follows_loops() {
    let listed = [
        "a 1-1; requires b",
        "b 1-1; requires c",
        "c 1-1; requires a; requires c",
    ];
    closes(
        &[],
        &listed,
        &["c"],
        &["a-1-1.x86_64", "b-1-1.x86_64", "c-1-1.x86_64"],
    );
}
