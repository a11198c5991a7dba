//! The example cluster left running, for a person to try.
//!
//! These are no tests; they are here because what boots hosts is. `cargo test
//! --test lab -- --ignored --exact up::up` boots it, `up::down` removes it.

use std::fs;

use serde_json::json;

use crate::client::Client;
use crate::command::Failure;
use crate::lab::Lab;
use crate::needs::{self, Decision};
use crate::release::Release;
use crate::waiting::{wait_serving, wait_standbys};
use crate::workspace::Workspace;

#[test]
#[ignore = "leaves hosts running: make lab"]
fn up() {
    if let Decision::Fail(reason) = needs::decide() {
        panic!("{reason}");
    }
    match boot() {
        Ok(text) => println!("{text}"),
        Err(cause) => panic!("the cluster is not up: {cause}"),
    }
}

#[test]
#[ignore = "removes what make lab left running: make lab-down"]
fn down() {
    let removed = Workspace::open().and_then(|workspace| remove(&workspace));
    match removed {
        Ok(true) => println!("lab: the cluster is gone"),
        Ok(false) => println!("lab: no cluster is up"),
        Err(cause) => panic!("the cluster is not wholly gone: {cause}"),
    }
}

fn boot() -> Result<String, Failure> {
    let workspace = Workspace::open()?;
    remove(&workspace)?;
    let release = Release::build(&workspace.folder.join("up"))?;
    let mut lab = release.hosts_with_folder("up")?;
    let served = serve(&mut lab, &release);
    if let Err(cause) = served {
        panic!("{cause}");
    }
    let text = instructions(&lab, &release);
    let note = json!({ "run": lab.run_name() });
    lab.leave_up(note)?;
    Ok(text)
}

fn serve(lab: &mut Lab, release: &Release) -> Result<(), Failure> {
    lab.boot_all()?;
    for (name, _) in &release.cluster.nodes {
        wait_serving(lab, name)?;
    }
    wait_standbys(&Client::of(lab, release)?, 1, 1)?;
    Ok(())
}

fn instructions(lab: &Lab, release: &Release) -> String {
    let namespace = lab.namespace();
    let nodes = release.cluster.nodes.iter();
    let nodes: Vec<_> = nodes
        .map(|(name, address)| {
            let shell = lab.host(name).shell_line();
            format!("  {name}  {address}  shell: {shell}")
        })
        .collect();
    format!(
        "The cluster {} is up.\n{}\nA client:\n  \
         PGPASSWORD=$(python3 -c 'import json; print(json.load(open(\"{}\"))[\"passwords\"][\"superuser\"])') \\\n  \
         nsenter --net={} psql 'host={} port=5000 user=postgres dbname=postgres sslmode=verify-full sslrootcert={}'\n\
         `make lab-down` removes it.",
        release.cluster.name,
        nodes.join("\n"),
        release.secrets.join("passwords.json").display(),
        namespace.display(),
        release.cluster.vip,
        release.public.join("ca.pem").display(),
    )
}

/// Removes what is up; says whether anything was.
fn remove(workspace: &Workspace) -> Result<bool, Failure> {
    let Some(run) = workspace.left_up()? else {
        return Ok(false);
    };
    workspace.remove_run(&run)?;
    fs::remove_file(workspace.up_marker())?;
    fs::remove_dir_all(workspace.folder.join("up"))?;
    Ok(true)
}
