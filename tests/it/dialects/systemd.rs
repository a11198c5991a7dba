//! systemd.syntax(7): `Directive=value` in sections.

use super::table::Table;

pub fn judge(table: &Table, text: &str) -> Vec<String> {
    let (mut section, mut unknown) = ("", Vec::new());
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            continue;
        }
        let (directive, value) = line.split_once('=').unwrap_or((line, ""));
        let dot = if section.is_empty() { " " } else { "." };
        let word = format!("{section}{dot}{directive}");
        if !table.knows(&word) {
            unknown.push(word);
        }
        if directive.starts_with("Timeout") && value == "infinity" {
            let word = "timeout infinity".to_owned();
            unknown.extend((!table.knows(&word)).then_some(word));
        }
        if directive.starts_with("Exec") {
            let prefix = value.chars().take_while(|c| "-@:+!|".contains(*c));
            let mut words: Vec<_> = prefix.map(|c| format!("exec-prefix {c}")).collect();
            words.dedup();
            words.retain(|word| !table.knows(word));
            unknown.extend(words);
        }
    }
    unknown
}
