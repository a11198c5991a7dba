//! Man pages and completions, read by what reads them on an operator's machine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::Sandbox;

fn written() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let manual = sandbox.run(&["manual", "share"]);
    assert_eq!(manual.code, 0, "{}", manual.stderr);
    let share = sandbox.path("share");
    (sandbox, share)
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it is installed (.ci/run)");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    assert_eq!(errors, "", "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn rendered(page: PathBuf) -> String {
    let text = output(
        Command::new("groff")
            .args(["-Kutf8", "-Tutf8", "-P-cbou", "-man", "-ww", "-rLL=200n"])
            .arg(page),
    );
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_verb_has_a_page_that_groff_reads_without_a_warning() {
    let (sandbox, share) = written();
    let help = sandbox.run(&["--help"]).stdout;
    let verbs = help
        .split("Commands:")
        .nth(1)
        .and_then(|rest| rest.split("Options:").next());
    let verbs = verbs.expect("--help lists the verbs").lines();
    let verbs: Vec<_> = verbs
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .collect();
    let verbs: Vec<_> = verbs
        .into_iter()
        .filter(|verb| !verb.is_empty() && *verb != "help")
        .collect();
    assert!(verbs.contains(&"build"), "{help}");
    for verb in verbs {
        let page = rendered(share.join(format!("man/man1/pgbundle-{verb}.1")));
        assert!(page.contains("SYNOPSIS"), "{verb}: {page}");
    }
    let page = rendered(share.join("man/man1/pgbundle.1"));
    assert!(
        page.contains("Exit codes: 0 done, 1 the answer is no"),
        "{page}"
    );
}

#[test]
fn the_node_programs_page_says_what_its_help_says() {
    let (_sandbox, share) = written();
    let page = rendered(share.join("man/man8/pgbundle-node.8"));
    for said in pgbundle::node::cli::HELP
        .lines()
        .filter(|line| line.starts_with("  "))
    {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(page.contains(&said), "{said}\n{page}");
    }
}

#[test]
fn bash_completes_verbs_and_options() {
    let (_sandbox, share) = written();
    let script = share.join("bash-completion/completions/pgbundle");
    let complete = |words: &str| {
        let program = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _pgbundle pgbundle \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        output(Command::new("bash").args(["--norc", "-c", &program]))
    };
    assert_eq!(complete("pgbundle bui"), "build\n");
    assert_eq!(complete("pgbundle build --offl"), "--offline\n");
}

#[test]
fn a_second_writing_changes_nothing_and_replaces_what_is_older() {
    let (sandbox, share) = written();
    let page = share.join("man/man1/pgbundle.1");
    let first = fs::read(&page).unwrap();
    fs::write(&page, "older").unwrap();
    assert_eq!(sandbox.run(&["manual", "share"]).code, 0);
    assert_eq!(fs::read(&page).unwrap(), first);
}
