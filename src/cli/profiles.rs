//! `pgbundle profiles`: the operating systems there are, and what is known of them.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::report::Failure;
use super::ui::Ui;
use crate::library::Library;
use crate::profile::{Profile, Source};

/// List the operating systems that bundles can be built for
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    title: String,
    architectures: Vec<String>,
    postgres: Vec<u32>,
    bases: Vec<String>,
    /// Sources that upstream maintains no more, with the day since when.
    frozen: BTreeMap<String, String>,
    limits: Vec<String>,
}

impl From<Profile> for Row {
    fn from(profile: Profile) -> Self {
        let since = |source: &Source| Some((source.id.clone(), source.frozen()?.to_string()));
        Self {
            frozen: profile.sources.iter().filter_map(since).collect(),
            name: profile.name,
            title: profile.title,
            architectures: profile
                .architectures
                .iter()
                .map(ToString::to_string)
                .collect(),
            postgres: profile.postgres_majors,
            bases: profile.bases.into_iter().map(|base| base.name).collect(),
            limits: profile.limits,
        }
    }
}

/// Shows every profile of the library.
pub fn run(arguments: &Arguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for name in library.profiles()? {
        rows.push(Row::from(library.profile(&name)?));
    }
    if arguments.json {
        return ui.json(&rows);
    }
    let text: Vec<_> = rows.iter().map(describe).collect();
    ui.result(&text.join("\n"))
}

fn describe(row: &Row) -> String {
    let majors = row
        .postgres
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let mut text = format!(
        "{}\n  {}, {}\n  PostgreSQL {majors}\n  proved against the base images {}\n",
        row.name,
        row.title,
        row.architectures.join(", "),
        row.bases.join(", "),
    );
    for (source, since) in &row.frozen {
        text.push_str(&format!(
            "  note: nothing changes in the source `{source}` since {since}\n"
        ));
    }
    for limit in &row.limits {
        text.push_str(&format!("  note: {limit}\n"));
    }
    text
}
