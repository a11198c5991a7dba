//! Packages of an rpm-md repository, and their file lists.

use pgbundle::repo::rpm::filelists;
use pgbundle::repo::rpm::package::Package;
use pgbundle::repo::rpm::primary::read;
use pgbundle::repo::rpm::set::PackageSet;

/// Packages that are read are read again from what is kept of them, and are
/// found by name, by what they provide and by their files.
pub fn holds(bytes: &[u8]) -> bool {
    let lists = filelists::owners(bytes, &["/usr/bin/a", "/a"].into());
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(lists.is_err(), "what is no text is no list");
        return false;
    };
    let Ok(packages) = read(text, 0, |_| true) else {
        return lists.is_ok();
    };
    packages.iter().for_each(reads_back);
    let mut set = PackageSet::new(packages);
    for package in set.all() {
        let newest = set.named(package.name).first().expect("it has a name");
        assert!(newest.evr >= package.evr, "the newest comes first");
        for entry in &package.provides {
            let mut providers = set.providers(&entry.name);
            assert!(providers.any(|(provider, _)| std::ptr::eq(provider, package)));
            assert!(entry.overlaps(entry), "a range overlaps itself");
        }
        for file in &package.files {
            assert!(set.owners(file).any(|owner| std::ptr::eq(owner, package)));
        }
    }
    let asked: Vec<_> = set
        .files_without_owner()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let digest = set
        .all()
        .first()
        .and_then(|one| one.archive.as_ref())
        .map(|a| a.sha256);
    if let (Some(file), Some(digest)) = (asked.first(), digest) {
        set.learn_files(&[(file.clone(), vec![digest])].into());
        assert!(set.owners(file).next().is_some(), "{file} has an owner now");
    }
    !set.all().is_empty()
}

fn reads_back(package: &Package<'_>) {
    let archive = package.archive.as_ref().expect("it is in a repository");
    let document = format!("<metadata>{}</metadata>", archive.raw);
    let again = read(&document, 0, |_| true).expect("what was read can be read");
    let [again] = &again[..] else {
        panic!("{} is one package", archive.raw);
    };
    assert_eq!(again.to_string(), package.to_string());
    assert_eq!(again.requires, package.requires);
    assert_eq!(again.provides, package.provides);
    assert_eq!(again.conflicts, package.conflicts);
    assert_eq!(again.obsoletes, package.obsoletes);
    assert_eq!(again.files, package.files);
    assert_eq!(
        again.archive.as_ref().map(|a| (a.sha256, a.size)),
        Some((archive.sha256, archive.size))
    );
}
