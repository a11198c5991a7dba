//! Modules of EL 8 and 9 (`modules.yaml`: modulemd v2, modulemd-defaults v1),
//! as far as they hide packages.
//!
//! A module offers streams of a software, of which one at most is active: the
//! default one, or one that was enabled. As dnf has it (its manual,
//! "Modularity"): packages of a stream that is not active are hidden, and so
//! are packages of no module that have, or provide, the name of one of an
//! active stream.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::package::Package;

/// The modules of some repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    streams: Vec<Stream>,
    /// The default stream of a module.
    defaults: BTreeMap<String, String>,
}

/// What a host's administrator, or a profile, says of modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Streams that are enabled, by their module's name.
    pub enabled: BTreeMap<String, String>,
    /// Modules of which no stream is active.
    pub disabled: Vec<String>,
}

/// The packages that modules hide, and those that they bring.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    brought: HashSet<String>,
    hidden: HashMap<String, String>,
    // Names in active streams, with the stream.
    names: HashMap<String, String>,
}

/// Modules that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// Not YAML, or not a module's.
    #[error("modules.yaml, document {number}: {source}")]
    Yaml {
        /// Which document of the text, from 1.
        number: usize,
        /// What is wrong.
        source: Box<serde_yaml::Error>,
    },
    /// Something that must be there is not.
    #[error("modules.yaml, document {number}: a `{document}` has no `{field}`")]
    Lacks {
        /// Which document of the text, from 1.
        number: usize,
        /// The kind of document.
        document: String,
        /// The field.
        field: &'static str,
    },
}

/// One build of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stream {
    module: String,
    stream: String,
    arch: Option<String>,
    /// Its packages, as `name-epoch:version-release.arch`.
    packages: Vec<String>,
    /// The streams of other modules that it needs one of; an empty list stands for any.
    needs: Vec<(String, Vec<String>)>,
}

#[derive(Deserialize)]
struct Head {
    document: String,
}

#[derive(Deserialize)]
struct Document {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    name: Option<String>,
    module: Option<String>,
    stream: Option<String>,
    arch: Option<String>,
    #[serde(default)]
    artifacts: Artifacts,
    #[serde(default)]
    dependencies: Vec<Dependencies>,
}

#[derive(Default, Deserialize)]
struct Artifacts {
    #[serde(default)]
    rpms: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Dependencies {
    #[serde(default)]
    requires: BTreeMap<String, Vec<String>>,
}

impl Modules {
    /// Reads a `modules.yaml` and adds what it says; where a module has a
    /// default already, that stays.
    pub fn add(&mut self, text: &str) -> Result<(), ModulesError> {
        for (document, number) in documents(text).zip(1..) {
            let yaml = |source| ModulesError::Yaml {
                number,
                source: Box::new(source),
            };
            let kind = serde_yaml::from_str::<Head>(document)
                .map_err(yaml)?
                .document;
            let is_stream = match kind.as_str() {
                "modulemd" => true,
                "modulemd-defaults" => false,
                _ => continue,
            };
            let data = serde_yaml::from_str::<Document>(document)
                .map_err(yaml)?
                .data;
            let lacks = |field| ModulesError::Lacks {
                number,
                document: kind.clone(),
                field,
            };
            if is_stream {
                self.streams.push(Stream {
                    module: data.name.ok_or_else(|| lacks("name"))?,
                    stream: data.stream.ok_or_else(|| lacks("stream"))?,
                    arch: data.arch,
                    packages: data.artifacts.rpms,
                    needs: data
                        .dependencies
                        .into_iter()
                        .flat_map(|d| d.requires)
                        .collect(),
                });
            } else {
                let module = data.module.ok_or_else(|| lacks("module"))?;
                // A module may have profiles and no default stream.
                if let Some(stream) = data.stream {
                    self.defaults.entry(module).or_insert(stream);
                }
            }
        }
        Ok(())
    }

    /// What is hidden on a host of one architecture.
    pub fn hidden(&self, choice: &Choice, architecture: &str) -> Hidden {
        let is_here = |s: &&Stream| s.arch.as_deref().is_none_or(|arch| arch == architecture);
        let here: Vec<&Stream> = self.streams.iter().filter(is_here).collect();
        let mut active: Vec<&Stream> = here.clone();
        active.retain(|stream| {
            let chosen = choice.enabled.get(&stream.module);
            let chosen = chosen.or_else(|| self.defaults.get(&stream.module));
            chosen == Some(&stream.stream) && !choice.disabled.contains(&stream.module)
        });
        // A stream whose needs are not active is not, either.
        loop {
            let before = active.len();
            let standing = active.clone();
            active.retain(|stream| {
                let mut needs = stream.needs.iter();
                needs.all(|need| is_active(need, &standing))
            });
            if active.len() == before {
                break;
            }
        }
        let mut hidden = Hidden::default();
        for stream in here {
            let title = format!("{}:{}", stream.module, stream.stream);
            let is_active = active.iter().any(|one| std::ptr::eq(*one, stream));
            for package in &stream.packages {
                if !is_active {
                    hidden.hidden.insert(package.clone(), title.clone());
                    continue;
                }
                hidden.brought.insert(package.clone());
                if let Some(name) = binary_name(package) {
                    hidden.names.insert(name.to_owned(), title.clone());
                }
            }
        }
        hidden
    }
}

// `platform` is the release itself. A stream with `-` before it is not wanted.
fn is_active((module, streams): &(String, Vec<String>), active: &[&Stream]) -> bool {
    let unwanted = |stream: &str| {
        streams
            .iter()
            .any(|one| one.strip_prefix('-') == Some(stream))
    };
    let has_wanted = streams.iter().any(|one| !one.starts_with('-'));
    module == "platform"
        || active.iter().any(|one| {
            let is_wanted = !has_wanted || streams.contains(&one.stream);
            one.module == *module && is_wanted && !unwanted(&one.stream)
        })
}

// Each document begins with a line `---`, which no text inside of one can have.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    let parts = (0..starts.len() - 1).map(move |n| &text[starts[n]..starts[n + 1]]);
    let is_empty = |part: &&str| {
        let mut lines = part.lines().map(str::trim);
        lines.all(|line| line.is_empty() || line.starts_with('#') || ["---", "..."].contains(&line))
    };
    parts.filter(move |part| !is_empty(part))
}

// The name in `name-epoch:version-release.arch`; none of a source package,
// which hides nothing.
fn binary_name(nevra: &str) -> Option<&str> {
    let is_source = nevra.ends_with(".src") || nevra.ends_with(".nosrc");
    let (rest, _) = nevra.rsplit_once('-').filter(|_| !is_source)?;
    rest.rsplit_once('-').map(|(name, _)| name)
}

impl Hidden {
    /// The module and stream, as `module:stream`, that hides a package.
    pub fn by(&self, package: &Package<'_>) -> Option<&str> {
        let evr = package.evr;
        let release = evr.release.unwrap_or_default();
        let nevra = format!(
            "{}-{}:{}-{release}.{}",
            package.name, evr.epoch, evr.version, package.arch
        );
        if self.brought.contains(&nevra) {
            return None;
        }
        let provided = package.provides.iter().map(|entry| &*entry.name);
        let mut names = std::iter::once(package.name).chain(provided);
        let of_name = || names.find_map(|name| self.names.get(name));
        self.hidden.get(&nevra).or_else(of_name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::rpm::entry::Entry;
    use crate::repo::rpm::evr::Evr;

    const TEXT: &str = "---\ndocument: modulemd\nversion: 2\ndata:\n  name: postgresql\n  stream: 10\n  version: 8010\n  context: aa\n  arch: x86_64\n\
        \x20 dependencies:\n  - buildrequires: {platform: [el8]}\n    requires: {platform: [el8]}\n  artifacts:\n    rpms:\n\
        \x20   - postgresql-0:10.6-1.el8.x86_64\n    - postgresql-server-0:10.6-1.el8.x86_64\n    - postgresql-0:10.6-1.el8.src\n...\n\
        ---\ndocument: modulemd\nversion: 2\ndata:\n  name: postgresql\n  stream: \"1.10\"\n  artifacts:\n    rpms: [postgresql-0:1.10-1.el8.x86_64]\n...\n\
        ---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: postgresql\n  stream: 10\n  profiles:\n    10: [server]\n...\n\
        ---\ndocument: modulemd-obsoletes\nversion: 1\ndata: [1, 2]\n\
        ---\ndocument: modulemd\nversion: 2\ndata:\n  name: app\n  stream: s\n  dependencies: [{requires: {postgresql: [\"1.10\"]}}]\n  artifacts: {rpms: [app-0:1-1.noarch]}\n\
        ---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: app, stream: s}\n";

    fn package(
        name: &'static str,
        evr: &'static str,
        arch: &'static str,
        provides: &[&'static str],
    ) -> Package<'static> {
        Package {
            name,
            arch,
            evr: Evr::parse(evr).unwrap(),
            requires: [].into(),
            provides: provides
                .iter()
                .map(|name| Entry {
                    name: (*name).into(),
                    range: None,
                })
                .collect(),
            conflicts: [].into(),
            obsoletes: [].into(),
            files: [].into(),
            archive: None,
        }
    }

    fn hidden(choice: &Choice) -> [Option<String>; 6] {
        let mut modules = Modules::default();
        modules.add(TEXT).unwrap();
        let hidden = modules.hidden(choice, "x86_64");
        let all = [
            package("postgresql", "10.6-1.el8", "x86_64", &[]),
            package("postgresql", "1.10-1.el8", "x86_64", &[]),
            package("postgresql", "13-1PGDG", "x86_64", &[]),
            package(
                "postgresql13-server",
                "13.1-1PGDG",
                "x86_64",
                &["postgresql-server"],
            ),
            package("app", "1-1", "noarch", &[]),
            package("other", "1-1", "noarch", &[]),
        ];
        all.map(|package| hidden.by(&package).map(str::to_owned))
    }

    #[test]
    fn a_default_stream_hides_other_streams_and_what_has_or_provides_its_names() {
        let ten = || Some("postgresql:10".to_owned());
        let other = Some("postgresql:1.10".to_owned());
        let app = Some("app:s".to_owned());
        assert_eq!(
            hidden(&Choice::default()),
            [None, other, ten(), ten(), app, None]
        );
    }

    #[test]
    fn an_enabled_stream_takes_the_place_of_the_default_and_lets_others_need_it() {
        let choice = Choice {
            enabled: [("postgresql".to_owned(), "1.10".to_owned())].into(),
            disabled: vec![],
        };
        let ten = Some("postgresql:10".to_owned());
        let other = Some("postgresql:1.10".to_owned());
        assert_eq!(hidden(&choice), [ten, None, other, None, None, None]);
    }

    #[test]
    fn a_disabled_module_hides_its_own_packages_and_no_others() {
        let choice = Choice {
            enabled: BTreeMap::new(),
            disabled: vec!["postgresql".to_owned()],
        };
        let ten = Some("postgresql:10".to_owned());
        let other = Some("postgresql:1.10".to_owned());
        let app = Some("app:s".to_owned());
        assert_eq!(hidden(&choice), [ten, other, None, None, app, None]);
    }

    #[test]
    fn refuses_what_is_no_module() {
        let refusal = |text: &str| Modules::default().add(text).unwrap_err().to_string();
        assert!(refusal("---\nversion: 1\n").contains("document 1"));
        assert!(refusal("document: modulemd\ndata: {stream: 1}").contains("no `name`"));
        assert!(refusal("document: modulemd\ndata: {name: a}").contains("no `stream`"));
        assert!(
            refusal("---\ndocument: other\n---\ndocument: modulemd-defaults\ndata: {}")
                .contains("document 2")
        );
        assert!(Modules::default().add("# nothing\n---\n...\n").is_ok());
    }
}
