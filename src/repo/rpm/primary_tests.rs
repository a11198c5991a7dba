//! Packages as createrepo_c writes them.

use super::*;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn primary(packages: &[&str]) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\" packages=\"{}\">\n{}</metadata>\n",
        packages.len(),
        packages.concat()
    )
}

fn package(name: &str, arch: &str, format: &str) -> String {
    format!(
        "<package type=\"rpm\">\n  <name>{name}</name>\n  <arch>{arch}</arch>\n  \
         <version epoch=\"1\" ver=\"2.0\" rel=\"3.el7\"/>\n  \
         <checksum type=\"sha256\" pkgid=\"YES\">{DIGEST}</checksum>\n  <summary>a &amp; b</summary><packager/>\n  \
         <size package=\"10\" installed=\"20\" archive=\"30\"/>\n  <location href=\"Packages/{name}.rpm\"/>\n  \
         <format>\n{format}\n  </format>\n</package>\n"
    )
}

fn all(_: &str) -> bool {
    true
}

#[test]
fn reads_packages_with_relations_and_files() {
    let format = "<rpm:provides><rpm:entry name=\"a\" flags=\"EQ\" epoch=\"1\" ver=\"2.0\" rel=\"3.el7\"/></rpm:provides>\
                  <rpm:requires><rpm:entry name=\"(b &gt;= 1 if c)\"/><rpm:entry name=\"d\" flags=\"GE\" epoch=\"0\" ver=\"1\" pre=\"1\"/></rpm:requires>\
                  <rpm:conflicts/><rpm:obsoletes><rpm:entry name=\"old\" flags=\"LT\" epoch=\"0\" ver=\"9\"/></rpm:obsoletes>\
                  <rpm:recommends><rpm:entry name=\"weak\"/></rpm:recommends>\
                  <file>/usr/bin/a</file><file type=\"dir\">/etc/a &amp; b</file>";
    let text = primary(&[&package("a", "x86_64", format), &package("z", "i686", "")]);
    let read = read(&text, 7, |arch| arch != "i686").unwrap();
    assert_eq!(read.len(), 1);
    let a = &read[0];
    assert_eq!(a.to_string(), "a-1:2.0-3.el7.x86_64");
    let words =
        |entries: &[Entry<'_>]| -> Vec<String> { entries.iter().map(|e| e.to_string()).collect() };
    assert_eq!(words(&a.provides), ["a = 1:2.0-3.el7"]);
    assert_eq!(words(&a.requires), ["(b >= 1 if c)", "d >= 1"]);
    assert_eq!(words(&a.conflicts), [""; 0]);
    assert_eq!(words(&a.obsoletes), ["old < 9"]);
    assert_eq!(*a.files, ["/usr/bin/a", "/etc/a & b"]);
    let archive = a.archive.as_ref().unwrap();
    assert_eq!(
        (archive.size, archive.installed_size, archive.repository),
        (10, 20, 7)
    );
    assert_eq!(archive.location.as_str(), "Packages/a.rpm");
    assert!(archive.raw.starts_with("<package type") && archive.raw.ends_with("</package>"));
}

#[test]
fn reads_the_same_whether_cut_or_whole() {
    let many: Vec<_> = (0..6000)
        .map(|n| {
            package(
                &format!("p{n}"),
                "noarch",
                "<rpm:requires><rpm:entry name=\"x\"/></rpm:requires>",
            )
        })
        .collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let text = primary(&many);
    let whole = text.replacen("<package", "<!-- <package --><package", 1);
    let labels = |text| -> Vec<String> {
        read(text, 0, all)
            .unwrap()
            .iter()
            .map(|p| p.to_string())
            .collect()
    };
    assert_eq!(labels(&text).len(), 6000);
    assert_eq!(labels(&text), labels(&whole));
}

#[test]
fn refuses_what_cannot_be_relied_on() {
    let good = package("a", "noarch", "");
    let refusal = |from: &str, to: &str| {
        let text = primary(&[&good.replace(from, to)]);
        read(&text, 0, all).unwrap_err().to_string()
    };
    assert!(refusal("<name>a</name>", "").contains("no usable name"));
    assert!(refusal("type=\"sha256\"", "type=\"sha\"").contains("only sha256"));
    assert!(refusal(DIGEST, "abc").contains("no usable checksum"));
    assert!(refusal("Packages/", "../").contains("no usable location"));
    assert!(refusal("href=", "xml:base=\"http://x/\" href=").contains("no usable location"));
    assert!(refusal("package=\"10\"", "").contains("no usable size"));
    assert!(refusal("epoch=\"1\"", "epoch=\"x\"").contains("version"));
    assert!(refusal("ver=\"2.0\"", "").contains("no usable version"));
    assert!(refusal("</arch>", "").contains("cannot be read"));
    assert!(refusal("<arch>noarch", "<arch><b/>noarch").contains("more than text"));
    let text = primary(&[&good]);
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let cut = text[..end].trim_end();
        assert!(
            cut == text.trim_end() || read(cut, 0, all).is_err() || cut.ends_with("</metadata"),
            "{end}"
        );
    }
    assert!(read("<metadata/>", 0, all).unwrap().is_empty());
    assert!(read("<other></other>", 0, all).is_err());
}
