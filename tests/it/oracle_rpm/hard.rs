//! What is hard about dependencies, in repositories made by hand.

use pgbundle::repo::rpm::set::PackageSet;
use pgbundle::repo::rpm::{base_list, filelists, primary};

use super::carried::{document, entry_element};
use super::closures::{Outcome, close, judge, new_packages};
use super::solv::{Solv, missing};

/// A base, a repository, and sets of roots with how each comes out. Packages are
/// `name evr arch; requires …; provides …; conflicts …; obsoletes …; file …`.
struct Case {
    title: &'static str,
    base: &'static [&'static str],
    listed: &'static [&'static str],
    sets: &'static [(&'static [&'static str], Outcome)],
}

const SAME: Outcome = Outcome::Same;
const IMPOSSIBLE: Outcome = Outcome::ImpossibleForBoth;
const ALTERNATIVES: Outcome = Outcome::OtherAlternatives;

const CASES: [Case; 17] = [
    Case {
        title: "versions, the newest and an older one",
        base: &["c 1-1"],
        listed: &[
            "a 1-1; requires b >= 1",
            "b 1-1",
            "b 2-1; requires c",
            "c 2-1",
            "d 1-1; requires b < 2",
            "e 1-1; requires c >= 2",
            "f 1-1; requires b > 2-1",
        ],
        sets: &[
            (&["a"], SAME),
            (&["a", "d"], SAME),
            (&["e"], SAME),
            (&["c"], SAME),
            (&["f"], IMPOSSIBLE),
        ],
    },
    Case {
        title: "obsoletes of what the base has, and of what is asked for",
        base: &["old 1-1", "user 1-1; requires old"],
        listed: &[
            "new 2-1; obsoletes old < 2; provides old = 2-1",
            "a 1-1; requires new",
            "bare 1-1; obsoletes old",
            "b 1-1; requires bare",
            "gone 1-1",
            "fresh 1-1; obsoletes gone <= 1",
        ],
        sets: &[
            (&["a"], SAME),
            (&["gone"], SAME),
            (&["b"], SAME),
            (&["gone", "a"], SAME),
        ],
    },
    Case {
        title: "obsoletes look at names and not at what is provided",
        base: &[],
        listed: &[
            "new 2-1; obsoletes virtual",
            "other 1-1; provides virtual",
            "a 1-1; requires new; requires other",
        ],
        sets: &[(&["a"], SAME)],
    },
    Case {
        title: "file dependencies",
        base: &["sh 1-1; file /usr/bin/sh"],
        listed: &[
            "a 1-1; requires /usr/bin/sh; requires /usr/bin/b",
            "b 1-1; file /usr/bin/b",
            "c 1-1; requires /usr/bin/none",
            "d 1-1; conflicts /usr/bin/b",
        ],
        sets: &[
            (&["a"], SAME),
            (&["c"], IMPOSSIBLE),
            (&["a", "d"], IMPOSSIBLE),
        ],
    },
    Case {
        title: "virtual and versioned provides",
        base: &[],
        listed: &[
            "a 1-1; requires v >= 2",
            "p 1-1; provides v = 1",
            "q 1-1; provides v",
            "r 1-1; provides v = 3",
            "b 1-1; requires v = 1",
            "c 1-1; requires v > 3-0; requires v < 4",
            "d 1-1; requires w(x86-64) = 2",
            "s 1-1; provides w(x86-64) = 2-9",
        ],
        sets: &[
            (&["a"], SAME),
            (&["b"], SAME),
            (&["c"], SAME),
            (&["d"], SAME),
            (&["v"], SAME),
        ],
    },
    Case {
        title: "the epoch comes first and is 0 where none is written",
        base: &[],
        listed: &[
            "a 1-1; requires b >= 5",
            "b 1:1-1",
            "c 1-1; requires b = 1",
            "d 1-1; requires b = 1:1",
        ],
        sets: &[(&["a"], SAME), (&["c"], IMPOSSIBLE), (&["d"], SAME)],
    },
    Case {
        title: "rich dependencies",
        base: &[],
        listed: &[
            "if 1-1; requires (x if y)",
            "y-too 1-1; requires y",
            "x 1-1",
            "y 1-1; provides yy",
            "or 1-1; requires (none or x)",
            "and 1-1; requires (x and y)",
            "with 1-1; requires (v >= 1 with v < 2)",
            "p 1-1; provides v = 2",
            "q 1-1; provides v = 1",
            "without 1-1; requires (v without p)",
            "else 1-1; requires (x if y else q)",
            "nest 1-1; requires ((x and y) or none)",
            "never 1-1; requires (none if yy)",
            "lone 1-1; requires (none or (x if y))",
        ],
        sets: &[
            (&["if"], SAME),
            (&["if", "y-too"], SAME),
            (&["or"], SAME),
            (&["and"], SAME),
            (&["with"], SAME),
            (&["without"], SAME),
            (&["else"], SAME),
            (&["else", "y-too"], SAME),
            (&["nest"], SAME),
            (&["never"], SAME),
            (&["never", "y"], IMPOSSIBLE),
            (&["lone", "y"], SAME),
        ],
    },
    Case {
        title: "rich dependencies on what the base has",
        base: &["y 1-1"],
        listed: &[
            "a 1-1; requires (x if y)",
            "x 1-1",
            "b 1-1; requires (none if y)",
            "c 1-1; requires (x unless y)",
            "d 1-1; conflicts (y unless x)",
        ],
        sets: &[
            (&["a"], SAME),
            (&["b"], IMPOSSIBLE),
            (&["c"], IMPOSSIBLE),
            (&["d"], SAME),
        ],
    },
    Case {
        title: "conflicts",
        base: &["k 1-1"],
        listed: &[
            "a 1-1; requires v",
            "p 1-1; provides v",
            "q 1-1; provides v",
            "c 1-1; conflicts p < 2",
            "s 1-1; provides m; conflicts m",
            "t 1-1; provides m; conflicts m",
            "u 1-1; conflicts k < 2",
            "k 2-1",
            "w 1-1; conflicts k",
        ],
        sets: &[
            (&["a"], SAME),
            (&["a", "c"], SAME),
            (&["s"], SAME),
            (&["s", "t"], IMPOSSIBLE),
            (&["u"], SAME),
            (&["w"], IMPOSSIBLE),
        ],
    },
    Case {
        title: "loops",
        base: &[],
        listed: &[
            "a 1-1; requires b = 1",
            "b 1-1; requires c",
            "c 1-1; requires a >= 1; requires c",
            "b 2-1; requires a = 2",
        ],
        sets: &[(&["c"], SAME), (&["a"], SAME), (&["b"], IMPOSSIBLE)],
    },
    Case {
        title: "i686 beside x86_64",
        base: &[],
        listed: &[
            "a 1-1; requires libx",
            "libx 1-1 x86_64",
            "libx 1-1 i686; requires glibc32",
            "glibc32 1-1 i686",
            "b 1-1; requires glibc32",
            "only 1-1 i686",
            "both 1-1 x86_64; provides bb",
            "both 2-1 i686; provides bb",
            "c 1-1 noarch; requires bb",
            "glibc 1-1 x86_64; provides libc.so.6()(64bit)",
            "glibc 1-1 i686; provides libc.so.6",
            "d 1-1; requires libc.so.6()(64bit)",
        ],
        sets: &[
            (&["a"], SAME),
            (&["libx"], SAME),
            (&["b"], SAME),
            (&["only"], SAME),
            (&["both"], SAME),
            (&["c"], SAME),
            (&["d"], SAME),
        ],
    },
    Case {
        title: "i686 in the base moves with its x86_64",
        base: &[
            "glibc 1-1 x86_64; requires common = 1-1",
            "glibc 1-1 i686; requires common = 1-1",
            "common 1-1",
        ],
        listed: &[
            "glibc 2-1 x86_64; requires common = 2-1",
            "glibc 2-1 i686; requires common = 2-1",
            "common 2-1",
            "a 1-1; requires glibc >= 2",
        ],
        sets: &[(&["a"], SAME), (&["common"], SAME)],
    },
    Case {
        title: "an older base follows, and what is broken there is let be",
        base: &[
            "lib 1-1",
            "tool 1-1; requires lib = 1-1",
            "torn 1-1; requires nowhere",
        ],
        listed: &[
            "lib 2-1",
            "tool 2-1; requires lib = 2-1",
            "a 1-1; requires lib >= 2",
            "b 1-1; requires torn",
        ],
        sets: &[(&["a"], SAME), (&["b"], SAME), (&["tool"], SAME)],
    },
    Case {
        title: "providers are taken by name, and the newest of their name before others",
        base: &[],
        listed: &[
            "z 2-1; provides v",
            "b 1-1; provides v",
            "a 1-1; requires v",
            "c 1-1; provides w",
            "d 2-1",
            "d 1-1; provides w",
            "e 1-1; requires w",
        ],
        sets: &[(&["a"], SAME), (&["e"], SAME)],
    },
    Case {
        title: "what obsoletes another provider is taken in its place",
        base: &[],
        listed: &[
            "b 1-1; provides v",
            "z 1-1; provides v; obsoletes b",
            "a 1-1; requires v",
        ],
        sets: &[(&["a"], SAME)],
    },
    // Here libsolv upgrades `b`, and we add `c`: what a host has is replaced
    // only where nothing else will do. The host's dnf follows us, for the
    // bundle has no other `b`; and where there is no `c`, both upgrade.
    Case {
        title: "what the base has is left alone where another package will do",
        base: &["b 1-1"],
        listed: &[
            "b 2-1; provides v; provides w",
            "c 1-1; provides v",
            "a 1-1; requires v",
            "d 1-1; requires w",
        ],
        sets: &[(&["a"], ALTERNATIVES), (&["d"], SAME)],
    },
    // Here libsolv takes the newest `lib` first, which the base's `core` leaves
    // no `b-mail` beside; we take the first `mail` by name, and the `lib` that
    // goes with the `core` that is there.
    Case {
        title: "an older version that fits the base, for the sake of a provider",
        base: &["core 1-1"],
        listed: &[
            "core 2-1",
            "lang 1-1; requires core = 1-1; requires lib = 1-1",
            "lang 2-1; requires core = 2-1; requires lib = 2-1",
            "lib 1-1",
            "lib 2-1",
            "agent 1-1; requires lib",
            "b-mail 1-1; provides mail; requires lang",
            "d-mail 1-1; provides mail",
            "a 1-1; requires agent; requires mail",
        ],
        sets: &[
            (&["a"], ALTERNATIVES),
            (&["agent", "b-mail"], SAME),
            (&["b-mail"], SAME),
        ],
    },
];

/// A line of a case.
pub struct Line<'l> {
    pub name: &'l str,
    pub evr: &'l str,
    arch: &'l str,
    pub fields: Vec<(&'l str, &'l str)>,
}

impl<'l> Line<'l> {
    pub fn read(line: &'l str) -> Self {
        let mut parts = line.split("; ");
        let mut words = parts.next().unwrap().split(' ');
        Self {
            name: words.next().unwrap(),
            evr: words.next().unwrap(),
            arch: words.next().unwrap_or("x86_64"),
            fields: parts.map(|part| part.split_once(' ').unwrap()).collect(),
        }
    }

    pub fn of(&self, field: &str) -> Vec<String> {
        let mine = self.fields.iter().filter(|(name, _)| *name == field);
        let mut values: Vec<_> = mine.map(|(_, value)| (*value).to_owned()).collect();
        if field == "provides" {
            values.push(format!("{} = {}", self.name, self.evr));
        }
        values
    }

    fn pkgid(&self) -> String {
        let nevra = format!("{} {} {}", self.name, self.evr, self.arch);
        pgbundle::base::Sha256::of(nevra.as_bytes()).to_string()
    }

    fn version(&self) -> String {
        let (epoch, rest) = self.evr.split_once(':').unwrap_or(("0", self.evr));
        let (version, release) = rest.split_once('-').unwrap();
        format!("<version epoch=\"{epoch}\" ver=\"{version}\" rel=\"{release}\"/>")
    }

    fn element(&self) -> String {
        let Self { name, arch, .. } = self;
        let list = |field: &str| {
            let entries: String = self.of(field).iter().map(|e| entry_element(e)).collect();
            format!("<rpm:{field}>{entries}</rpm:{field}>")
        };
        let lists: String = ["provides", "requires", "conflicts", "obsoletes"]
            .map(list)
            .concat();
        let files: String = self
            .of("file")
            .iter()
            .map(|f| format!("<file>{f}</file>"))
            .collect();
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>{arch}</arch>{}\
             <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum><summary>s</summary><description>d</description>\
             <packager/><url/><time file=\"1\" build=\"1\"/><size package=\"1\" installed=\"1\" archive=\"1\"/>\
             <location href=\"{name}-{}.{arch}.rpm\"/><format>{lists}{files}</format></package>\n",
            self.version(),
            self.pkgid(),
            self.evr
        )
    }

    fn stanza(&self) -> String {
        let mut stanza = format!(
            "\nPackage: {}\nVersion: {}\nArchitecture: {}\n",
            self.name, self.evr, self.arch
        );
        for (field, of) in [
            ("Provides", "provides"),
            ("Requires", "requires"),
            ("Conflicts", "conflicts"),
            ("Obsoletes", "obsoletes"),
            ("File", "file"),
        ] {
            for value in self.of(of) {
                stanza.push_str(&format!("{field}: {value}\n"));
            }
        }
        stanza
    }
}

/// A primary.xml of such lines.
pub fn primary_of(lines: &[&str]) -> String {
    let elements: Vec<_> = lines
        .iter()
        .map(|line| Line::read(line).element())
        .collect();
    document(&elements)
}

fn base_of(lines: &[&str]) -> String {
    let answer: String = lines.iter().map(|line| Line::read(line).stanza()).collect();
    base_list::capture(&answer, "by hand")
}

#[test]
fn closes_over_hard_cases_as_libsolv_does() {
    if !super::is_there(missing()) {
        return;
    }
    let mut faults = Vec::new();
    for case in &CASES {
        let (list, xml) = (base_of(case.base), primary_of(case.listed));
        let base = PackageSet::new(base_list::read(&list).unwrap());
        let listed = PackageSet::new(primary::read(&xml, 0, |_| true).unwrap());
        let mut solv = Solv::new(&primary_of(case.base), &xml, None);
        for (roots, expected) in case.sets {
            let mut lines = Vec::new();
            let outcome = judge(&mut solv, (&base, &listed), roots, &mut lines);
            if outcome.as_ref() != Ok(expected) {
                faults.push(format!("{}, {roots:?}: {outcome:?} {lines:?}", case.title));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What primary does not name is found in the file lists, and they are read
/// for what is asked for alone.
#[test]
fn finds_files_in_the_file_lists_as_libsolv_does() {
    if !super::is_there(missing()) {
        return;
    }
    let lines = ["a 1-1; requires /usr/share/b/data", "b 1-1", "c 1-1"];
    let xml = primary_of(&lines);
    let lists: String = ["b", "c"]
        .map(|name| {
            let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
            let line = Line::read(line);
            format!(
                "<package pkgid=\"{}\" name=\"{name}\" arch=\"x86_64\">{}<file>/usr/share/{name}/data</file></package>\n",
                line.pkgid(),
                line.version()
            )
        })
        .concat();
    let lists = format!(
        "<filelists xmlns=\"http://linux.duke.edu/metadata/filelists\" packages=\"3\">{lists}</filelists>"
    );
    let base = PackageSet::default();
    let mut listed = PackageSet::new(primary::read(&xml, 0, |_| true).unwrap());
    assert!(close(&base, &listed, &["a"]).is_err());
    let owners = filelists::owners(lists.as_bytes(), &listed.files_without_owner()).unwrap();
    assert_eq!(owners.len(), 1);
    listed.learn_files(&owners);
    let (lowered, chosen) = close(&base, &listed, &["a"]).unwrap();
    let mut solv = Solv::new(&primary_of(&[]), &xml, Some(&lists));
    let theirs = solv.install(&["a"], None).unwrap();
    assert_eq!(new_packages(&lowered, &chosen), theirs.installs);
}
