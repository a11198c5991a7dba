//! The apt sources of the machine that builds (sources.list(5)), as hints
//! where a mirror may be. Nothing in them is trusted.

use std::fs;
use std::path::{Path, PathBuf};

use super::deb822::stanzas;

/// A mirror that apt is told to use, for some suites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AptSource {
    /// Its address, without a trailing slash.
    pub uri: String,
    /// The suites it is used for.
    pub suites: Vec<String>,
}

/// Reads the apt sources below `root` (`/etc/apt`); what cannot be read is no hint.
pub fn of_machine(root: &Path) -> Vec<AptSource> {
    let mut paths = vec![root.join("sources.list")];
    let parts = fs::read_dir(root.join("sources.list.d"));
    let mut parts: Vec<PathBuf> = parts
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    parts.sort();
    paths.extend(parts);
    let mut sources = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_default();
        match path.extension().and_then(|suffix| suffix.to_str()) {
            Some("list") => sources.extend(parse_lines(&text)),
            Some("sources") => sources.extend(parse_stanzas(&text)),
            _ => {}
        }
    }
    sources
}

/// Reads the one-line style: `deb [options] uri suite component…`.
pub fn parse_lines(text: &str) -> Vec<AptSource> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<AptSource> {
    let line = line.split('#').next()?.trim();
    let rest = line
        .strip_prefix("deb")?
        .strip_prefix([' ', '\t'])?
        .trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let mut words = rest.split_whitespace();
    let uri = mirror(words.next()?)?;
    Some(AptSource {
        uri,
        suites: vec![words.next()?.to_owned()],
    })
}

/// Reads the deb822 style: `Types:`, `URIs:`, `Suites:`.
pub fn parse_stanzas(text: &str) -> Vec<AptSource> {
    let mut sources = Vec::new();
    let usable = |s: &super::deb822::Stanza<'_>| {
        s.words("Types").any(|word| word == "deb") && s.field("Enabled") != Some("no")
    };
    for stanza in stanzas(text).filter(usable) {
        let suites: Vec<_> = stanza.words("Suites").map(str::to_owned).collect();
        let uris = stanza.words("URIs").filter_map(mirror);
        sources.extend(uris.map(|uri| AptSource {
            uri,
            suites: suites.clone(),
        }));
    }
    sources
}

// cdrom:, mirror+file: and the like are apt's own.
fn mirror(uri: &str) -> Option<String> {
    let known = ["http://", "https://", "file:"]
        .iter()
        .any(|scheme| uri.starts_with(scheme));
    known.then(|| uri.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_styles() {
        let lines = "# deb http://no/ x main\ndeb http://a.example/debian/ bookworm main # c\n\
                     deb-src http://a.example/debian bookworm main\n\
                     deb [arch=amd64 signed-by=/k.gpg] https://b.example/d bookworm-updates main\n\
                     deb cdrom:[Debian]/ bookworm main\n";
        let found = parse_lines(lines);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].uri, "http://a.example/debian");
        assert_eq!(found[1].suites, ["bookworm-updates"]);
        let stanzas = "Types: deb deb-src\n# a comment\nURIs: http://a.example/debian file:/srv/m\nSuites: x y\nComponents: main\n\n\
                       Types: deb\nEnabled: no\nURIs: http://off.example\nSuites: x\n\nTypes: deb-src\nURIs: http://s.example\nSuites: x\n";
        let found = parse_stanzas(stanzas);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].uri, "file:/srv/m");
        assert_eq!(found[1].suites, ["x", "y"]);
    }
}
