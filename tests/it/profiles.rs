//! The profiles that the program carries: what they say, and what is rendered for them.

use std::collections::BTreeMap;

use pgbundle::library::Library;
use pgbundle::plan::Plan;

use crate::render::{built_in, example_on, plan_on, tree};
use crate::support::{Sandbox, read_source};

/// All files of the first node, as text.
fn files(plan: &Plan) -> BTreeMap<String, String> {
    let tree = tree(plan, &plan.spec.nodes[0]).into_iter();
    tree.map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap()))
        .collect()
}

#[test]
fn every_built_in_profile_serves_the_example_and_leaves_no_gap_to_fill() {
    for name in Library::new(Vec::new()).profiles().unwrap() {
        let plan = example_on(&name);
        assert_eq!(plan.profile.name, name);
        assert!(
            !plan.profile.limits.is_empty(),
            "{name} says what is not proven"
        );
        for (path, text) in files(&plan) {
            for gap in ["{major}", "{architecture}", "{{", "{%"] {
                assert!(!text.contains(gap), "{name}: {path} has {gap}");
            }
        }
        for source in &plan.profile.sources {
            let gaps = source.mirrors.iter().filter(|mirror| mirror.contains('{'));
            assert_eq!(gaps.count(), 0, "{name}: {}", source.id);
        }
    }
}

#[test]
fn variants_of_a_system_differ_in_their_sources_alone() {
    for system in ["el8", "el9"] {
        let (parent, rendered) = (built_in(system), files(&example_on(system)));
        for variant in ["alma", "oracle", "rhel"] {
            let name = format!("{system}-{variant}");
            assert_eq!(files(&example_on(&name)), rendered, "{name}");
            let profile = built_in(&name);
            assert_ne!(profile.os.id, parent.os.id);
            for (source, of_parent) in profile.sources.iter().zip(&parent.sources) {
                assert_eq!(source.id, of_parent.id);
                let is_own = ["baseos", "appstream", "crb"].contains(&source.id.as_str());
                assert_eq!(source != of_parent, is_own, "{name}: {}", source.id);
            }
        }
    }
}

#[test]
fn postgres_of_a_vendor_is_found_where_its_packaging_installs_it() {
    let spec = read_source("clusters/three-node.toml").replace("major = 15", "major = 13");
    let pgbouncer = "vmware-postgres13-pgbouncer-1.16.1-1.el7.x86_64.rpm";
    let given = |file| {
        let profile = built_in("centos7-vmware");
        profile.given(13, [file, pgbouncer]).unwrap()
    };
    let old = plan_on(&spec, given("vmware-postgres-13.3-0.el7.x86_64.rpm"));
    let new = plan_on(&spec, given("vmware-postgres13-13.4-1.el7.x86_64.rpm"));
    for (plan, bin, pgbouncer) in [
        (&old, "/usr/bin", "/usr/bin/pgbouncer"),
        (
            &new,
            "/opt/vmware/postgres/13/bin",
            "/opt/vmware/postgres/13/bin/pgbouncer",
        ),
    ] {
        let files = files(plan);
        let patroni = &files["etc/patroni/conf.d/10-cluster.yml"];
        assert!(patroni.contains(&format!("bin_dir: {bin}\n")), "{patroni}");
        // Its own default would be /tmp.
        assert!(patroni.contains("unix_socket_directories: /run/postgresql\n"));
        let unit = &files["etc/systemd/system/pgbouncer.service"];
        assert!(unit.contains(&format!("ExecStart={pgbouncer} ")), "{unit}");
        assert!(unit.contains("Type=simple\n"), "{unit}");
    }
    // The data does not move with the programs.
    assert_eq!(
        files(&old)["etc/tmpfiles.d/pgbundle.conf"],
        files(&new)["etc/tmpfiles.d/pgbundle.conf"]
    );
    let data = |plan| {
        files(plan)["etc/patroni/conf.d/10-cluster.yml"]
            .contains("data_dir: /var/lib/pgsql/13/data\n")
    };
    assert!(data(&old) && data(&new));
    let packages = |plan: &Plan| plan.packages[&pgbundle::base::Role::Postgres].clone();
    assert_eq!(packages(&old), ["pgbouncer", "python3", "vmware-postgres"]);
    assert_eq!(
        packages(&new),
        [
            "python3",
            "vmware-postgres13",
            "vmware-postgres13-pgbouncer"
        ]
    );
}

#[test]
fn profiles_say_what_stands_still_what_is_absent_and_what_the_operator_brings() {
    let said = Sandbox::new().run(&["profiles"]).stdout;
    for line in [
        "  nothing changes since 2024-08-08 in pgdg, pgdg-common\n",
        "  note: PGDG never built PostgreSQL 16 or later for EL 7; EL 7 is frozen at 13, 14 and 15\n",
        "  note: Nothing is proven on CentOS 7 itself: ",
        "  from a file of yours: vmware-postgres14-14.*.el7.x86_64.rpm with vmware-postgres14-pgbouncer-*.el7.x86_64.rpm\n",
        "  without the system's own module postgresql\n",
        "  no base image: capture yours with `pgbundle base capture`\n",
        "  no public address of baseos, appstream, crb: name yours with `--mirrors`\n",
        "  notes as for el9\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

#[test]
fn a_plan_says_how_old_its_packages_stay_and_which_file_is_missing() {
    let sandbox = Sandbox::new();
    sandbox.write("cluster.toml", &read_source("clusters/three-node.toml"));
    let plan = sandbox.run(&["plan", "--profile", "centos7-vmware"]).stdout;
    let file = "You bring the file vmware-postgres15-15.*.el7.x86_64.rpm with vmware-postgres15-pgbouncer-*.el7.x86_64.rpm\n";
    assert!(plan.contains(file), "{plan}");
    assert!(plan.contains("Nothing changes since 2020-11-12 in base\n"));
    let debian = sandbox.run(&["plan"]).stdout;
    assert!(!debian.contains("bring") && !debian.contains("Nothing changes"));
}
