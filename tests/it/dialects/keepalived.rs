//! keepalived.conf(5): keywords in blocks; some blocks hold values instead.

use super::table::Table;

pub fn judge(table: &Table, text: &str) -> Vec<String> {
    let (mut blocks, mut unknown): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let line = line.split(['#', '!']).next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first() else {
            continue;
        };
        if *first == "}" {
            blocks.pop();
            continue;
        }
        let within = blocks.join(" ");
        let phrase = format!("{within} {first}").trim().to_owned();
        // A block without any keyword of its own holds values.
        let holds_values = !blocks.is_empty() && !table.knows_any(&format!("{within} "));
        let is_known = table.knows(&phrase) || table.knows(&format!("* {first}"));
        if !is_known && !holds_values {
            unknown.push(phrase);
        }
        if words.last() == Some(&"{") {
            blocks.push(first);
        }
    }
    unknown
}
