//! A marked block in a file that others write too (`/etc/hosts`): what stands
//! outside the marks is left as it is.

const BEGIN: &str = "# pgbundle: begin. What stands between these marks is written anew.";
const END: &str = "# pgbundle: end.";

/// The file's text with `block` between the marks: in the place of the block
/// that is there, else at the end. A begin without an end reaches no further
/// than its own line, so that nothing of others is lost.
pub fn with_block(text: &str, block: &str) -> String {
    let kept = without_block(text);
    format!("{kept}{BEGIN}\n{}\n{END}\n", block.trim_end())
}

/// The file's text as others wrote it.
pub fn without_block(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        if line == BEGIN && rest.clone().any(|line| line == END) {
            rest.by_ref().find(|line| *line == END);
        } else if line != BEGIN && line != END {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";

    #[test]
    fn a_block_is_added_once_and_replaced() {
        let one = with_block(HOSTS, "192.168.60.101 db-1\n");
        assert_eq!(with_block(&one, "192.168.60.101 db-1"), one);
        let two = with_block(&one, "192.168.60.102 db-2");
        assert!(two.starts_with(HOSTS), "{two}");
        assert!(!two.contains("db-1") && two.contains("db-2"), "{two}");
    }

    #[test]
    fn what_others_wrote_is_kept() {
        let text = format!(
            "{}10.0.0.1 theirs",
            with_block(HOSTS, "192.168.60.101 db-1")
        );
        let again = with_block(&text, "192.168.60.101 db-1");
        assert!(
            again.contains("10.0.0.1 theirs\n") && again.starts_with(HOSTS),
            "{again}"
        );
        let torn = format!("{BEGIN}\n10.0.0.1 theirs\n");
        assert!(with_block(&torn, "x").contains("10.0.0.1 theirs"));
    }
}
