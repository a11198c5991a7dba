//! What is promised of a cluster, told on real hosts.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::{ASYNCHRONOUS, Client, READ_WRITE, REPLICAS, SYNCHRONOUS};
use crate::command::Failure;
use crate::host::Host;
use crate::lab::{Lab, wait_until};
use crate::release::Release;
use crate::secrets::{self, Needles};
use crate::taken_away::{self, Held};
use crate::tampering;
use crate::tell;
use crate::upgraded;
use crate::waiting::{Standbys, wait_refused, wait_serving, wait_standbys};

const SOON: Duration = Duration::from_secs(60);
const UNITS: [&str; 5] = ["etcd", "patroni", "pgbouncer", "haproxy", "keepalived"];

/// Stories 1, 5 and 4 of the slice, one after another on the same cluster.
#[test]
fn three_hosts_at_once() {
    let make = || Release::shared()?.hosts_with_folder("three-hosts-at-once");
    tell("three hosts at once", make, |lab| {
        let release = Release::shared()?;
        let client = Client::of(lab, release)?;
        let before = Held::by(lab.host("db-3"))?;
        a_committed_write_is_read_back(lab, &client)?;
        every_listener_goes_where_it_should(lab, &client, release)?;
        patroni_accepts_its_settings(lab, &client)?;
        nothing_tried_to_leave(lab);
        who_has_no_certificate_is_refused(lab, &client, release)?;
        secrets_are_nowhere_they_should_not_be(lab, release)?;
        all_rebooted_the_cluster_is_back(lab, &client)?;
        a_second_run_changes_nothing(lab)?;
        a_host_reports_on_itself(lab, release)?;
        secrets_are_nowhere_they_should_not_be(lab, release)?;
        upgraded::host_by_host(lab, &client, release)?;
        taken_away::it_goes_and_comes_back(lab, &client, "db-3", &before)?;
        taken_away::the_leader_goes_for_good(lab, &client)?;
        nothing_tried_to_leave(lab);
        Ok(())
    });
}

/// Story 1: three hosts at once: a committed write through the VIP on 5000, read back on 5001.
fn a_committed_write_is_read_back(lab: &mut Lab, client: &Client) -> Result<(), Failure> {
    let start = Instant::now();
    lab.boot_all()?;
    wait_until(
        "the first write through the VIP",
        Duration::from_secs(300),
        || client.write_through_vip("create table if not exists story (line text)"),
    )?;
    eprintln!(
        "lab: first write {:.1} s after power-on",
        start.elapsed().as_secs_f64()
    );
    client.write_through_vip("insert into story values ('written through the VIP')")?;
    let read = wait_until("the write is on a replica", SOON, || {
        match client.read_through_vip("select line from story")? {
            empty if empty.is_empty() => Err("no line yet".into()),
            line => Ok(line),
        }
    })?;
    assert_eq!(
        read, "written through the VIP",
        "5001 has what 5000 committed"
    );
    for (name, _) in lab.cluster.nodes.clone() {
        wait_serving(lab, &name)?;
    }
    eprintln!(
        "lab: all hosts serve {:.1} s after power-on",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Story 1: one leader, one synchronous standby, one replica; every listener goes where it should.
fn every_listener_goes_where_it_should(
    lab: &Lab,
    client: &Client,
    release: &Release,
) -> Result<(), Failure> {
    let standbys = wait_standbys(client, 1, 1)?;
    let carriers = lab
        .hosts()
        .iter()
        .filter(|host| carries_vip(host, lab.cluster.vip));
    assert_eq!(carriers.count(), 1, "one host carries the VIP");
    let proxies = lab.cluster.nodes.iter().map(|(_, address)| *address);
    for address in proxies.chain([lab.cluster.vip]) {
        // HAProxy asks every two seconds; it may not have heard yet who is synchronous.
        wait_until(
            &format!("the listeners of {address} go where they should"),
            SOON,
            || listeners_are_right(client, address, &standbys),
        )?;
        let clear = client.sql_in_the_clear(address, READ_WRITE)?;
        assert!(
            !clear.is_success(),
            "{address}: nobody talks to the database without TLS"
        );
    }
    the_statistics_page_wants_its_password(client, lab.cluster.vip, release)
}

/// What Patroni's own validator says, and what an operator's shell finds.
fn patroni_accepts_its_settings(lab: &Lab, client: &Client) -> Result<(), Failure> {
    let standbys = wait_standbys(client, 1, 1)?;
    let name = standbys.asynchronous.first().ok_or("no such standby")?;
    let host = lab.host(name);
    let listed = host.run("bash -lc 'patronictl list -f json'")?;
    for (node, _) in &lab.cluster.nodes {
        assert!(
            listed.contains(node.as_str()),
            "patronictl lists {node}: {listed}"
        );
    }
    // The validator wants Patroni's ports to be free and etcd to answer.
    host.run("systemctl stop patroni")?;
    let verdict = host.ask(
        "setpriv --reuid=postgres --regid=postgres --init-groups \
         /usr/local/lib/pgbundle/patroni --validate-config /etc/patroni/conf.d",
    )?;
    host.run("systemctl start patroni")?;
    assert!(
        verdict.is_success(),
        "patroni accepts its settings: {verdict:?}"
    );
    wait_standbys(client, 1, 1)?;
    Ok(())
}

fn carries_vip(host: &Host, vip: Ipv4Addr) -> bool {
    let addresses = host.run("ip -4 -o addr show").unwrap_or_default();
    addresses.contains(&format!(" {vip}/"))
}

fn listeners_are_right(
    client: &Client,
    address: Ipv4Addr,
    standbys: &Standbys,
) -> Result<(), Failure> {
    let all: BTreeSet<_> = standbys
        .synchronous
        .union(&standbys.asynchronous)
        .cloned()
        .collect();
    let primary = client.sql(address, READ_WRITE, "select pg_is_in_recovery()")?;
    if primary != "f" {
        return Err("5000 does not lead to the primary".into());
    }
    for (port, expected) in [
        (REPLICAS, &all),
        (SYNCHRONOUS, &standbys.synchronous),
        (ASYNCHRONOUS, &standbys.asynchronous),
    ] {
        // Listeners with several servers take turns.
        let met: BTreeSet<String> = (0..4)
            .map(|_| standby_behind(client, address, port))
            .collect::<Result<_, _>>()?;
        if &met != expected {
            return Err(format!("{port} leads to {met:?}, not to {expected:?}").into());
        }
    }
    Ok(())
}

fn standby_behind(client: &Client, address: Ipv4Addr, port: u16) -> Result<String, Failure> {
    client.sql(
        address,
        port,
        "select substring(current_setting('primary_conninfo') \
         from 'application_name=''?([-a-z0-9]+)') where pg_is_in_recovery()",
    )
}

fn the_statistics_page_wants_its_password(
    client: &Client,
    vip: Ipv4Addr,
    release: &Release,
) -> Result<(), Failure> {
    let url = format!("http://{vip}:7000/");
    assert_eq!(
        client.curl(&url, &[])?.out,
        "401",
        "the page wants a password"
    );
    let user = format!("statistics:{}", release.password("statistics")?);
    assert_eq!(
        client.curl_as(&user, &url, &[])?.out,
        "200",
        "and takes the right one"
    );
    Ok(())
}

/// Story 1: the sink counted nothing.
fn nothing_tried_to_leave(lab: &Lab) {
    let seen = lab.sink().seen();
    assert_eq!(
        seen,
        Vec::<String>::new(),
        "nothing tries to leave the cluster's network"
    );
}

/// Story 5: a client without a certificate is refused by etcd and by Patroni's write endpoints.
fn who_has_no_certificate_is_refused(
    lab: &Lab,
    client: &Client,
    release: &Release,
) -> Result<(), Failure> {
    for (name, address) in &lab.cluster.nodes {
        let keys = release.secrets.join("nodes").join(name);
        let certificate = keys.join("etcd.pem").display().to_string();
        let key = keys.join("etcd.key").display().to_string();
        let health = format!("https://{address}:2379/health");
        let own = client.curl(&health, &["--cert", &certificate, "--key", &key])?;
        assert_eq!(own.out, "200", "{name}: etcd knows its own: {own:?}");
        for url in [&health, &format!("https://{address}:2380/version")] {
            // With TLS 1.3 a client hears of it only after its handshake, as an alert or as a reset.
            let stranger = client.curl(url, &[])?;
            assert!(
                !stranger.is_success() && stranger.out == "000",
                "{name}: etcd refuses who has no certificate at {url}: {stranger:?}"
            );
        }
        patroni_lets_strangers_read_alone(client, name, *address, release)?;
    }
    Ok(())
}

fn patroni_lets_strangers_read_alone(
    client: &Client,
    name: &str,
    address: Ipv4Addr,
    release: &Release,
) -> Result<(), Failure> {
    let url = |path: &str| format!("https://{address}:8008/{path}");
    // A standby streams before the Patroni that was restarted has looked at it.
    wait_until(&format!("{name}: Patroni answers"), SOON, || {
        match client.curl(&url("health"), &[])?.out.as_str() {
            "200" => Ok(()),
            other => Err(Failure::from(other)),
        }
    })?;
    let user = format!("patroni:{}", release.password("restapi")?);
    for (method, path) in [
        ("POST", "restart"),
        ("POST", "reload"),
        ("POST", "reinitialize"),
        ("POST", "switchover"),
        ("POST", "failover"),
        ("PATCH", "config"),
        ("PUT", "config"),
        ("DELETE", "restart"),
    ] {
        let options = ["--request", method, "--data", "{}"];
        for said in [
            client.curl(&url(path), &options)?,
            client.curl_as(&user, &url(path), &options)?,
        ] {
            assert!(
                ["401", "403"].contains(&said.out.as_str()),
                "{name}: {method} /{path} is refused without a certificate: {said:?}"
            );
        }
    }
    Ok(())
}

/// Story 5: secrets are searched for: nowhere they should not be.
fn secrets_are_nowhere_they_should_not_be(lab: &Lab, release: &Release) -> Result<(), Failure> {
    let needles = Needles::of(release)?;
    for host in lab.hosts() {
        let name = &host.name;
        let root = needles.files_on(host, false)?;
        assert!(
            root.lines().any(|file| file.starts_with("/etc/")),
            "{name}: the search finds them where they belong: {root}"
        );
        let logs: Vec<_> = root
            .lines()
            .filter(|file| file.starts_with("/var/log/"))
            .collect();
        assert!(
            logs.is_empty(),
            "{name}: no log has a secret, whoever may read it: {logs:?}"
        );
        assert_eq!(
            needles.files_on(host, true)?,
            "",
            "{name}: `nobody` finds none on disk"
        );
        for (place, text) in [
            ("the journal", host.journal()?),
            ("the console", host.console()),
            (
                "a command line",
                host.run("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'")?,
            ),
            (
                "an environment that `nobody` can read",
                host.ask(
                    "setpriv --reuid=nobody --regid=nogroup --clear-groups \
                     cat /proc/[0-9]*/environ 2>/dev/null",
                )?
                .out,
            ),
        ] {
            assert_eq!(
                needles.found_in(&text),
                Vec::<String>::new(),
                "{name}: {place} tells no secret"
            );
        }
    }
    public_tells_no_secret(lab, release, &needles)
}

fn public_tells_no_secret(lab: &Lab, release: &Release, needles: &Needles) -> Result<(), Failure> {
    let unpacked = lab.folder().join("public-unpacked");
    if !unpacked.exists() {
        secrets::unpack_public(&release.public, &unpacked)?;
    }
    assert_eq!(
        needles.files_below(&unpacked)?,
        "",
        "public/ tells no secret"
    );
    assert_ne!(
        needles.files_below(&release.secrets)?,
        "",
        "the search finds them with the operator"
    );
    Ok(())
}

/// Story 4: all rebooted: the cluster is back with its data.
fn all_rebooted_the_cluster_is_back(lab: &mut Lab, client: &Client) -> Result<(), Failure> {
    lab.reboot_all()?;
    for (name, _) in lab.cluster.nodes.clone() {
        wait_serving(lab, &name)?;
    }
    wait_until("the cluster takes writes again", SOON, || {
        client.write_through_vip("insert into story values ('after the reboot')")
    })?;
    let lines = client.write_through_vip("select line from story order by line")?;
    assert_eq!(
        lines, "after the reboot\nwritten through the VIP",
        "all data is there"
    );
    wait_standbys(client, 1, 1)?;
    Ok(())
}

/// Story 4: a second run of the node program changes nothing.
fn a_second_run_changes_nothing(lab: &Lab) -> Result<(), Failure> {
    for host in lab.hosts() {
        let name = &host.name;
        wait_until("the first run has ended", SOON, || {
            let said = host.ask("systemctl is-active pgbundle.service")?;
            (said.out == "inactive")
                .then_some(())
                .ok_or_else(|| Failure::from(said.out))
        })?;
        let before = state_of(host)?;
        host.run("/usr/local/sbin/pgbundle-node up --wait 120")?;
        let report = host.report()?.ok_or("no report")?;
        let done = report["done"]
            .as_array()
            .ok_or("the report lists no steps")?;
        assert!(!done.is_empty(), "{name}: the steps were run: {report}");
        let changed: Vec<_> = done
            .iter()
            .filter(|step| step["changed"] != false)
            .collect();
        assert!(
            changed.is_empty(),
            "{name}: a second run changes nothing: {changed:?}"
        );
        let after = state_of(host)?;
        let differences: Vec<_> = before.symmetric_difference(&after).collect();
        assert!(
            differences.is_empty(),
            "{name}: no file and no process is another: {differences:#?}"
        );
    }
    Ok(())
}

/// Every file that is installed, and every service's process; not what apt keeps to itself when
/// it is asked.
fn state_of(host: &Host) -> Result<BTreeSet<String>, Failure> {
    let lines = host.run(&format!(
        "find /etc /usr /var/lib/dpkg /var/lib/pgbundle -xdev -type f \
         ! -name report.json ! -path '*/dpkg/lock*' ! -path '/var/lib/pgbundle/apt/*' -printf '%p %T@ %s %m %u %g\\n' | sort; \
         systemctl show --property=Id,MainPID,NRestarts,ActiveEnterTimestampMonotonic {}",
        UNITS.join(" ")
    ))?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// What a person would send back: nothing is wrong here, and no secret is in it.
fn a_host_reports_on_itself(lab: &Lab, release: &Release) -> Result<(), Failure> {
    let host = lab.host("db-1");
    let said = host.ask("/usr/local/sbin/pgbundle-node selfcheck /root/selfcheck.json")?;
    let text = host.run("cat /root/selfcheck.json")?;
    let report: serde_json::Value = serde_json::from_str(&text)?;
    let findings = report["findings"].as_array().ok_or("no findings")?;
    for about in ["steps", "reachable", "loader", "configuration", "journal"] {
        let mut of_it = findings
            .iter()
            .filter(|found| found["about"] == about)
            .peekable();
        assert!(of_it.peek().is_some(), "{about} is asked: {}", said.out);
        let wrong: Vec<_> = of_it.filter(|found| found["is"] == "bad").collect();
        assert!(wrong.is_empty(), "{about}: {wrong:#?}");
    }
    let found = Needles::of(release)?.found_in(&(text + &said.out));
    assert_eq!(found, Vec::<String>::new(), "the report tells no secret");
    let report = host.report()?.ok_or("no report")?;
    assert_eq!(
        report["state"], "serving",
        "the host's own report is left alone"
    );
    Ok(())
}

/// Story 2: the second host 30 s late and the third never: a quorum of two forms and serves;
/// the third comes at last and joins. Here bundles come by HTTP alone.
#[test]
fn hosts_come_late() {
    let make = || Release::shared()?.hosts_with_server("hosts-come-late");
    tell("hosts come late", make, |lab| {
        let client = Client::of(lab, Release::shared()?)?;
        lab.boot("db-1")?;
        sleep(Duration::from_secs(30));
        lab.boot("db-2")?;
        wait_serving(lab, "db-1")?;
        wait_serving(lab, "db-2")?;
        wait_until("a quorum of two takes writes", SOON, || {
            client.write_through_vip("create table if not exists story as select 1 as number")
        })?;
        wait_standbys(&client, 1, 0)?;
        the_third_comes_at_last(lab)?;
        wait_standbys(&client, 1, 1)?;
        let address = lab.host("db-3").address;
        wait_until("the third's own proxy leads to the data", SOON, || {
            client.sql(address, READ_WRITE, "select number from story")
        })?;
        nothing_tried_to_leave(lab);
        Ok(())
    });
}

/// It also loses power while packages are being installed, which must cost it nothing but time.
fn the_third_comes_at_last(lab: &mut Lab) -> Result<(), Failure> {
    lab.boot("db-3")?;
    let host = lab.host("db-3");
    wait_until(
        "the third installs packages",
        Duration::from_secs(120),
        || host.run("pgrep -x dpkg && ls /var/lib/dpkg/info/etcd-server.list"),
    )?;
    lab.cut_power("db-3")?;
    lab.boot("db-3")?;
    wait_serving(lab, "db-3")
}

/// Story 3: an altered bundle, a wrong digest in the seed, a foreign data directory: refused,
/// the reason in the report and on the console, no service started.
#[test]
fn what_is_not_ours_is_refused() {
    let make = || Release::shared()?.hosts_with_folder("what-is-not-ours-is-refused");
    tell("what is not ours is refused", make, |lab| {
        let release = Release::shared()?;
        lab.stop_serving();
        let altered = lab.folder().join("altered");
        tampering::alter_bundle(&release.public, &altered, "postgres")?;
        lab.host_mut("db-1").offer_bundles(&altered);
        let seed = lab.folder().join("altered-seed");
        tampering::alter_pinned_digest(&release.seeds.join("db-2"), &seed, "postgres")?;
        lab.host("db-2").plant(&seed)?;
        plant_foreign_data(lab.host("db-3"))?;
        lab.boot_all()?;
        for (name, reason) in [
            ("db-1", "postgres.tar.gz"),
            ("db-2", "postgres.tar.gz"),
            ("db-3", "/var/lib/postgresql/15/main"),
        ] {
            it_refuses(lab, name, reason)?;
        }
        let left = lab
            .host("db-3")
            .run("cat /var/lib/postgresql/15/main/theirs")?;
        assert_eq!(
            left, "of another cluster",
            "db-3: foreign data is left as it was"
        );
        nothing_tried_to_leave(lab);
        Ok(())
    });
}

fn plant_foreign_data(host: &Host) -> Result<(), Failure> {
    host.with_disk(|root| {
        let folder = root.join("var/lib/postgresql/15/main");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("PG_VERSION"), "15\n")?;
        fs::write(folder.join("theirs"), "of another cluster\n")?;
        Ok(())
    })
}

fn it_refuses(lab: &Lab, name: &str, reason: &str) -> Result<(), Failure> {
    let report = wait_refused(lab, name)?;
    let host = lab.host(name);
    let faults = report["faults"].to_string();
    assert!(
        faults.contains(reason),
        "{name}: the report gives the reason: {report}"
    );
    let console = host.console();
    let is_told = |line: &str| line.contains("error: ") && line.contains(reason);
    assert!(
        console.lines().any(is_told),
        "{name}: the console gives the reason:\n{console}"
    );
    for unit in UNITS {
        let said = host.ask(&format!("systemctl is-active {unit}.service"))?;
        assert_eq!(said.out, "inactive", "{name}: {unit} was not started");
    }
    Ok(())
}
