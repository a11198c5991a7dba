//! What else could put the same bytes into files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pgbundle::base::Role;
use pgbundle::base::atomic::flush_file_system;
use pgbundle::base::digest::{Hashing, copy};

use crate::bench::{Bench, finish, remove};

impl Bench {
    /// Each role's packages through tar and gzip.
    pub fn tar_gzip(&self) {
        for role in Role::ALL {
            let out = File::create(self.path(&format!("{role}.tar.gz")))
                .expect("the temporary folder is writable");
            let mut tar = Command::new("tar")
                .arg("-cP")
                .args(self.blobs(role))
                .stdout(Stdio::piped())
                .spawn()
                .expect("tar is installed");
            let input = tar.stdout.take().expect("stdout is a pipe");
            let mut gzip = Command::new("gzip");
            gzip.arg("-6").stdin(input).stdout(out);
            finish(gzip);
            assert!(tar.wait().expect("tar was started").success());
        }
    }

    fn blobs(&self, role: Role) -> impl Iterator<Item = PathBuf> + '_ {
        let packages = self.lock.packages.iter();
        packages
            .filter(move |package| package.roles.contains(&role))
            .map(|package| {
                let digest = package.sha256.to_string();
                self.store.join("sha256").join(&digest[..2]).join(digest)
            })
    }

    /// Every file of the release that may be served: read, digested, written.
    pub fn copy_and_hash(&self) {
        remove(&self.path("copy"));
        if !self.path("dist").exists() {
            self.build();
        }
        copy_folder(&self.path("dist"), &self.path("copy"));
        flush_file_system(&self.path("copy")).expect("the temporary folder can be flushed");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the temporary folder is writable");
    for entry in fs::read_dir(from).expect("the release is there").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
            continue;
        }
        let mut file = File::open(from).expect("the release is readable");
        let out = File::create(to).expect("the temporary folder is writable");
        let mut hashing = Hashing::new(out);
        copy(&mut file, &mut hashing).expect("the temporary folder is writable");
        std::hint::black_box(hashing.finish());
    }
}
