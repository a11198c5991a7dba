//! HAProxy: keywords in sections; some lines carry options with their values.

use super::table::Table;

const SECTIONS: &[&str] = &["defaults", "frontend", "listen", "backend", "userlist"];

pub fn judge(table: &Table, text: &str) -> Vec<String> {
    let (mut section, mut unknown) = (String::new(), Vec::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first().filter(|word| !word.starts_with('#')) else {
            continue;
        };
        let is_heading = !line.starts_with(' ');
        if is_heading && (*first == "global" || SECTIONS.contains(first)) {
            section = (*first).to_owned();
            continue;
        }
        if is_heading {
            // Of a section that is not known, nothing more is said.
            section.clear();
            unknown.push((*first).to_owned());
            continue;
        }
        if section.is_empty() {
            continue;
        }
        let phrase = |count: usize| format!("{section} {}", words[..count].join(" "));
        if !(1..=words.len()).any(|count| table.knows(&phrase(count))) {
            unknown.push(format!("{section} {first}"));
        }
        match *first {
            "server" => options(table, "server", &words[3..], &mut unknown),
            "default-server" => options(table, "default-server", &words[1..], &mut unknown),
            "bind" => options(table, "bind", &words[2..], &mut unknown),
            _ => {}
        }
    }
    unknown
}

/// Options one after the other, each with as many values as the manual says.
fn options(table: &Table, of: &str, words: &[&str], unknown: &mut Vec<String>) {
    let mut words = words.iter();
    while let Some(option) = words.next() {
        let values = (0..5).find(|count| table.knows(&format!("{of} {option} {count}")));
        match values {
            Some(0) => {}
            Some(count) => {
                words.nth(count - 1);
            }
            None => {
                unknown.push(format!("{of} {option}"));
                // How many values it has is not known either.
                let is_option = |word: &&str| table.knows_any(&format!("{of} {word} "));
                while words
                    .as_slice()
                    .first()
                    .is_some_and(|word| !is_option(word))
                {
                    words.next();
                }
            }
        }
    }
}
