//! Root sets drawn from the index, so that what is hard comes up often.

use pgbundle::repo::deb::package::{Package, PackageSet};

use crate::chance::Chance;

/// A kind of package, known by its stanza.
type Kind = fn(&Package<'_>, &PackageSet<'_>) -> bool;

const KINDS: [Kind; 12] = [
    |_, _| true,
    |p, _| in_section(p, &["libs", "oldlibs"]),
    |p, _| in_section(p, &["libdevel", "devel"]),
    |p, _| in_section(p, &["httpd", "mail", "database", "net", "admin", "news"]),
    |p, _| in_section(p, &["perl"]),
    |p, _| in_section(p, &["python"]),
    needs_a_virtual_package,
    |p, _| field(p, "Depends").contains('|'),
    |p, _| field(p, "Depends").contains(":any"),
    |p, _| field(p, "Depends").contains("(= "),
    |p, _| p.stanza.field("Pre-Depends").is_some(),
    |p, _| p.stanza.field("Conflicts").is_some() || p.stanza.field("Breaks").is_some(),
];

/// One to six packages; with some luck two of them speak against each other.
pub fn roots<'a>(chance: &mut Chance, listed: &PackageSet<'a>) -> Vec<&'a str> {
    let wanted = 1 + chance.below(6);
    let mut roots: Vec<&str> = Vec::new();
    while roots.len() < wanted {
        let name = match roots.last() {
            Some(last) if chance.below(4) == 0 => rival(chance, listed, last),
            _ => None,
        };
        let name = name.unwrap_or_else(|| of_some_kind(chance, listed));
        if !roots.contains(&name) {
            roots.push(name);
        }
    }
    roots
}

fn of_some_kind<'a>(chance: &mut Chance, listed: &PackageSet<'a>) -> &'a str {
    let is_of_kind = *chance.one_of(&KINDS);
    loop {
        let drawn = chance.one_of(listed.all());
        if is_of_kind(drawn, listed) {
            return drawn.name;
        }
    }
}

/// A package that the named one conflicts with or breaks, by its own name or a provided one.
fn rival<'a>(chance: &mut Chance, listed: &PackageSet<'a>, name: &str) -> Option<&'a str> {
    let package = listed.newest(name)?;
    let mut rivals = Vec::new();
    for field in ["Conflicts", "Breaks"] {
        for (_, group) in package
            .relations(field, "amd64")
            .expect("the index is sound")
        {
            for relation in group {
                rivals.extend(listed.newest(relation.name).map(|p| p.name));
                rivals.extend(listed.providers(relation.name).map(|p| p.name));
            }
        }
    }
    rivals.retain(|rival| *rival != name);
    (!rivals.is_empty()).then(|| *chance.one_of(&rivals))
}

fn field<'a>(package: &Package<'a>, name: &str) -> &'a str {
    package.stanza.field(name).unwrap_or_default()
}

fn in_section(package: &Package<'_>, sections: &[&str]) -> bool {
    sections.contains(&field(package, "Section"))
}

fn needs_a_virtual_package(package: &Package<'_>, listed: &PackageSet<'_>) -> bool {
    let needs = package
        .relations("Depends", "amd64")
        .expect("the index is sound");
    let mut relations = needs.iter().flat_map(|(_, group)| group);
    relations.any(|relation| {
        listed.named(relation.name).is_empty() && listed.providers(relation.name).next().is_some()
    })
}
