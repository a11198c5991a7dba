//! The program as it is typed: usage, exit codes, `init`, `plan`, `profiles`.

use crate::support::{Sandbox, read_source};

#[test]
fn init_writes_a_spec_that_plan_understands() {
    let sandbox = Sandbox::new();
    let init = sandbox.run(&["init"]);
    assert_eq!(init.code, 0, "{}", init.stderr);
    let plan = sandbox.run(&["plan"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(
        plan.stdout.contains("Cluster `orders`: PostgreSQL 15"),
        "{}",
        plan.stdout
    );
}

#[test]
fn init_never_writes_over_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("cluster.toml", "mine\n");
    let init = sandbox.run(&["init"]);
    assert_eq!(init.code, 2);
    assert!(init.stderr.contains("exists already"), "{}", init.stderr);
    assert_eq!(
        std::fs::read_to_string(sandbox.path("cluster.toml")).unwrap(),
        "mine\n"
    );
}

#[test]
fn results_go_to_stdout_and_words_to_stderr() {
    let sandbox = Sandbox::new();
    sandbox.write("cluster.toml", &read_source("clusters/three-node.toml"));
    let plan = sandbox.run(&["plan", "--json"]);
    assert_eq!(plan.stderr, "");
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("--json prints JSON");
    assert_eq!(plan["nodes"].as_array().map(Vec::len), Some(3));
}

#[test]
fn mistakes_on_the_command_line_are_the_operators() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["biuld"]).code, 2);
    assert_eq!(sandbox.run(&["plan", "--nonsense"]).code, 2);
    assert_eq!(sandbox.run(&["--help"]).code, 0);
    let unknown = sandbox.run(&["plan"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.stderr.contains("`pgbundle init` writes one"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn an_own_profile_extends_a_built_in_one() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "profiles/ours.toml",
        "version = 1\nextends = \"debian12\"\nname = \"ours\"\ntitle = \"Our image\"\n",
    );
    sandbox.write("cluster.toml", &read_source("clusters/three-node.toml"));
    let plan = sandbox.run(&["plan", "--profile", "ours"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.stdout.contains("on Our image"), "{}", plan.stdout);

    sandbox.write(
        "profiles/a.toml",
        "version = 1\nextends = \"b\"\nname = \"a\"\ntitle = \"a\"\n",
    );
    sandbox.write(
        "profiles/b.toml",
        "version = 1\nextends = \"a\"\nname = \"b\"\ntitle = \"b\"\n",
    );
    let circle = sandbox.run(&["plan", "--profile", "a"]);
    assert_eq!(circle.code, 2);
    assert!(
        circle.stderr.contains("extends itself"),
        "{}",
        circle.stderr
    );
}
