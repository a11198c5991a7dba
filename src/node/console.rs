//! Text for a console: lines that fit it, and lists that are short.

/// No line is longer; a serial console cuts or folds what is.
pub const WIDTH: usize = 159;
const NAMED: usize = 3;

/// Folds a text into lines that begin with `prefix`; what follows a fold is set in.
pub fn fold(prefix: &str, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut folded = String::from(prefix);
        let mut is_bare = true;
        for word in line.split(' ').flat_map(|word| pieces(word, prefix)) {
            if !is_bare && folded.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::replace(&mut folded, format!("{prefix}  ")));
                is_bare = true;
            }
            if !is_bare {
                folded.push(' ');
            }
            folded += &word;
            is_bare = false;
        }
        lines.push(folded);
    }
    lines
}

/// A word too long for a line, in pieces that are not.
fn pieces(word: &str, prefix: &str) -> Vec<String> {
    let width = WIDTH.saturating_sub(prefix.chars().count() + 2).max(1);
    if word.chars().count() <= width {
        return vec![word.to_owned()];
    }
    let letters: Vec<char> = word.chars().collect();
    letters
        .chunks(width)
        .map(|piece| piece.iter().collect())
        .collect()
}

/// `4 units (a, b, c and 1 more)`; nothing where there are none.
pub fn brief(names: &[String], one: &str, many: &str) -> Option<String> {
    let count = names.len();
    let first = names
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match count {
        0 => None,
        1 => Some(format!("{one} ({first})")),
        2..=NAMED => Some(format!("{count} {many} ({first})")),
        _ => Some(format!(
            "{count} {many} ({first} and {} more)",
            count - NAMED
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_and_nothing_is_lost() {
        let long = format!(
            "{} {} end\nnext",
            "word ".repeat(80).trim(),
            "x".repeat(400)
        );
        let lines = fold("pgbundle-node: step: ", &long);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("pgbundle-node: step: "))
        );
        let letters = |text: &str| text.chars().filter(|c| *c == 'x' || *c == 'w').count();
        assert_eq!(letters(&lines.concat()), letters(&long));
        assert_eq!(lines.last().unwrap(), "pgbundle-node: step: next");
    }

    #[test]
    fn long_lists_are_counted() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        let brief = |count: usize| brief(&names[..count], "a unit", "units");
        assert_eq!(brief(0), None);
        assert_eq!(brief(1).unwrap(), "a unit (a)");
        assert_eq!(brief(3).unwrap(), "3 units (a, b, c)");
        assert_eq!(brief(4).unwrap(), "4 units (a, b, c and 1 more)");
    }
}
