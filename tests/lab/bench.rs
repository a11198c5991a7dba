//! `make bench`: from power-on to the first write through the VIP, beside the same cluster made
//! by hand. No test: numbers for people to read.

use std::env;
use std::time::{Duration, Instant};

use crate::byhand;
use crate::client::Client;
use crate::command::Failure;
use crate::lab::{Lab, wait_until};
use crate::needs::{self, Decision};
use crate::release::Release;
use crate::waiting::wait_serving;

/// Pairs of runs, in turn, unless `PGBUNDLE_BOOTS` says how many.
const RUNS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
#[ignore = "measures: make bench"]
fn boot_to_first_write() {
    if let Decision::Fail(reason) = needs::decide() {
        panic!("{reason}");
    }
    match measure() {
        Ok(text) => println!("{text}"),
        Err(cause) => panic!("the boot was not measured: {cause}"),
    }
}

fn measure() -> Result<String, Failure> {
    let release = Release::shared()?;
    let (mut ours, mut others, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    let runs = match env::var("PGBUNDLE_BOOTS") {
        Ok(number) => number.parse()?,
        Err(_) => RUNS,
    };
    for _ in 0..runs {
        let (seconds, share) = ours_once(release)?;
        ours.push(seconds);
        shares.push(share);
        others.push(by_hand_once(release)?);
    }
    let (mine, other) = (median(&ours), median(&others));
    Ok(format!(
        "{:<44} {mine:>8.1}s {other:>8.1}s {:>7.2}     1.00{}\n\
         runs: pgbundle {ours:.1?}, by hand {others:.1?}\n\
         seconds of each step on each host, in the runs of pgbundle:\n{}",
        "power-on to first write / the same by hand",
        mine / other,
        if mine > other { "  over" } else { "" },
        shares.join("\n")
    ))
}

fn ours_once(release: &Release) -> Result<(f64, String), Failure> {
    let mut lab = release.hosts_with_server("bench")?;
    let client = Client::of(&lab, release)?;
    let seconds = first_write(&mut lab, |_| {
        client.write_through_vip("create table first (line text)")
    })?;
    let mut share = String::new();
    for (name, _) in &release.cluster.nodes {
        wait_serving(&lab, name)?;
        share += &format!("  {name}: {}\n", steps(&lab, name)?);
    }
    Ok((seconds, share))
}

fn by_hand_once(release: &Release) -> Result<f64, Failure> {
    let mut lab = byhand::hosts(release)?;
    first_write(&mut lab, |lab| {
        byhand::write_through_vip(lab, "create table first (line text)")
    })
}

fn first_write(
    lab: &mut Lab,
    write: impl Fn(&Lab) -> Result<String, Failure>,
) -> Result<f64, Failure> {
    let power_on = Instant::now();
    lab.boot_all()?;
    let written = wait_until("the first write through the VIP", PATIENCE, || write(lab));
    // Here, while the lab stands, so that it keeps the hosts' logs.
    written.unwrap_or_else(|cause| panic!("{cause}"));
    Ok(power_on.elapsed().as_secs_f64())
}

fn steps(lab: &Lab, name: &str) -> Result<String, Failure> {
    let report = lab.host(name).report()?.ok_or("no report")?;
    let done = report["done"].as_array().ok_or("the report has no steps")?;
    let shares = done.iter().map(|step| {
        format!(
            "{} {}",
            step["step"].as_str().unwrap_or("?"),
            step["seconds"]
        )
    });
    Ok(shares.collect::<Vec<_>>().join(", "))
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
