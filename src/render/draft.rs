//! A rendered role in the making: each file's content and its entry are added together.

use std::collections::BTreeMap;

use super::{RenderError, Rendered};
use crate::base::{NodeName, NodePath, Role, SchemaVersion, Sha256};
use crate::bundle::assignment::{
    Access, Assignment, Block, DataDirectory, Directory, FactFile, File, Mode, Service, Stage,
};
use crate::bundle::plain_file;
use crate::spec::PlainFile;

/// What has been rendered so far.
pub struct Draft {
    pub assignment: Assignment,
    files: BTreeMap<NodePath, Vec<u8>>,
}

impl Draft {
    pub fn new(node: NodeName, role: Role) -> Self {
        let assignment = Assignment {
            format: SchemaVersion,
            node,
            role,
            packages: Vec::new(),
            guarded_units: Vec::new(),
            masked_units: Vec::new(),
            python: None,
            directories: Vec::new(),
            files: Vec::new(),
            facts: Vec::new(),
            blocks: Vec::new(),
            ports: Vec::new(),
            data: Vec::new(),
            services: Vec::new(),
        };
        Self {
            assignment,
            files: BTreeMap::new(),
        }
    }

    /// Adds a file that root owns and all may read.
    pub fn file(
        &mut self,
        path: &str,
        services: &[&str],
        content: String,
    ) -> Result<(), RenderError> {
        self.add(path, 0o644, Stage::AfterPackages, services, content)
    }

    /// Adds a program that root owns and all may run.
    pub fn program(
        &mut self,
        path: &str,
        services: &[&str],
        content: String,
    ) -> Result<(), RenderError> {
        self.add(path, 0o755, Stage::AfterPackages, services, content)
    }

    /// Adds a file that the packages' own scripts read while they are installed.
    pub fn early_file(&mut self, path: &str, content: String) -> Result<(), RenderError> {
        self.add(path, 0o644, Stage::BeforePackages, &[], content)
    }

    fn add(
        &mut self,
        path: &str,
        mode: u32,
        stage: Stage,
        services: &[&str],
        content: String,
    ) -> Result<(), RenderError> {
        let path: NodePath = path.parse()?;
        let content = content.into_bytes();
        self.assignment.files.push(File {
            path: path.clone(),
            access: access("root", "root", mode),
            sha256: Sha256::of(&content),
            stage,
            services: owned(services),
            plain: None,
        });
        self.files.insert(path, content);
        Ok(())
    }

    /// Adds a plain file, whose content lies in the packages layer. It comes
    /// after the packages, so that none of theirs takes its place.
    pub fn plain(&mut self, file: &PlainFile) -> Result<(), RenderError> {
        let Some((path, mode)) = &file.install else {
            return Ok(());
        };
        let files = self.assignment.files.iter().map(|file| &file.path);
        let facts = self.assignment.facts.iter().map(|fact| &fact.path);
        if files.chain(facts).any(|known| known == path) {
            return Err(RenderError::Taken {
                name: file.name.clone(),
                path: path.to_string(),
            });
        }
        self.assignment.files.push(File {
            path: path.clone(),
            access: access("root", "root", *mode),
            sha256: file.sha256,
            stage: Stage::AfterPackages,
            services: Vec::new(),
            plain: Some(plain_file(&file.name)?),
        });
        Ok(())
    }

    /// Adds an include with a fact of the host.
    pub fn fact(&mut self, fact: FactFile) {
        self.assignment.facts.push(fact);
    }

    /// Adds a marked block to a file that others write too.
    pub fn block(&mut self, path: &str, text: String) -> Result<(), RenderError> {
        self.assignment.blocks.push(Block {
            path: path.parse()?,
            access: access("root", "root", 0o644),
            text,
        });
        Ok(())
    }

    /// Adds a folder.
    pub fn directory(&mut self, path: &str, access: Access) -> Result<(), RenderError> {
        let path = path.parse()?;
        self.assignment.directories.push(Directory { path, access });
        Ok(())
    }

    /// Adds a folder of data; its parent must let `user` make and rename it.
    pub fn data(&mut self, path: &str, user: &str, witness: &str) -> Result<(), RenderError> {
        self.assignment.data.push(DataDirectory {
            path: path.parse()?,
            access: access(user, user, 0o700),
            witness: witness.to_owned(),
        });
        Ok(())
    }

    /// Adds a service; its unit is kept from starting until it is configured.
    pub fn service(&mut self, service: Service) {
        self.assignment.guarded_units.push(service.unit.clone());
        self.assignment.services.push(service);
    }

    /// The finished role; lists whose order means nothing are sorted.
    pub fn finish(mut self) -> Rendered {
        self.assignment.files.sort_by(|a, b| a.path.cmp(&b.path));
        self.assignment.ports.sort_unstable();
        self.assignment.guarded_units.sort();
        self.assignment.masked_units.sort();
        Rendered {
            assignment: self.assignment,
            files: self.files,
        }
    }
}

/// Who may do what.
pub fn access(owner: &str, group: &str, mode: u32) -> Access {
    Access {
        owner: owner.to_owned(),
        group: group.to_owned(),
        mode: Mode::new(mode),
    }
}

/// Names as the assignment holds them.
pub fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(install: Option<&str>) -> PlainFile {
        PlainFile {
            name: "tool".to_owned(),
            version: "2.0".to_owned(),
            from: "files/tool-2.0".to_owned(),
            sha256: Sha256::of(b"tool"),
            install: install.map(|path| (path.parse().unwrap(), 0o750)),
            roles: vec![Role::Etcd],
        }
    }

    #[test]
    fn a_plain_file_is_named_where_the_bundle_has_it_and_has_no_content_here() {
        let mut draft = Draft::new("db-1".parse().unwrap(), Role::Etcd);
        draft.file("/etc/rendered", &[], "text".to_owned()).unwrap();
        draft.plain(&tool(Some("/usr/local/bin/tool"))).unwrap();
        draft.plain(&tool(None)).unwrap();
        let rendered = draft.finish();
        let [file, plain] = &rendered.assignment.files[..] else {
            panic!("one rendered and one plain file");
        };
        assert_eq!(file.plain, None);
        assert_eq!(plain.plain, Some("packages/files/tool".parse().unwrap()));
        assert_eq!(plain.access, access("root", "root", 0o750));
        assert_eq!(plain.sha256, Sha256::of(b"tool"));
        assert_eq!(rendered.files.len(), 1);
    }

    #[test]
    fn a_plain_file_takes_no_rendered_files_place() {
        let mut draft = Draft::new("db-1".parse().unwrap(), Role::Etcd);
        draft.file("/etc/rendered", &[], "text".to_owned()).unwrap();
        let taken = draft.plain(&tool(Some("/etc/rendered"))).unwrap_err();
        assert!(matches!(taken, RenderError::Taken { .. }), "{taken}");
    }
}
