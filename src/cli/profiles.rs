//! `pgbundle profiles`: the operating systems there are, and what is known of them.

use std::collections::BTreeMap;
use std::fmt::Write;

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
    /// Majors that are absent, with the reason, which holds for later ones, too.
    absent: BTreeMap<u32, String>,
    bases: Vec<String>,
    /// Sources that upstream maintains no more, with the day since when.
    frozen: BTreeMap<String, String>,
    /// Modules of the system that are switched off.
    disabled_modules: Vec<String>,
    /// Files that no source has: the operator brings one of them.
    vendor_files: Vec<String>,
    limits: Vec<String>,
}

impl From<Profile> for Row {
    fn from(profile: Profile) -> Self {
        let since = |source: &Source| Some((source.id.clone(), source.frozen()?.to_string()));
        Self {
            frozen: profile.sources.iter().filter_map(since).collect(),
            vendor_files: vendor_files(&profile),
            name: profile.name,
            title: profile.title,
            architectures: profile
                .architectures
                .iter()
                .map(ToString::to_string)
                .collect(),
            postgres: profile.postgres.majors,
            absent: profile.postgres.absent,
            bases: profile.bases.into_iter().map(|base| base.name).collect(),
            disabled_modules: profile.disabled_modules,
            limits: profile.limits,
        }
    }
}

/// What a file may be called, for every major.
fn vendor_files(profile: &Profile) -> Vec<String> {
    let majors = profile.postgres.majors.iter();
    majors
        .flat_map(|major| profile.expected_files(*major))
        .collect()
}

/// Shows every profile of the library.
pub fn run(arguments: &Arguments, library: &Library, ui: &Ui) -> Result<(), Failure> {
    let mut profiles = Vec::new();
    for name in library.profiles()? {
        profiles.push(library.profile(&name)?);
    }
    if arguments.json {
        return ui.json(&profiles.into_iter().map(Row::from).collect::<Vec<_>>());
    }
    let text: Vec<_> = profiles
        .iter()
        .map(|profile| describe(profile, &profiles))
        .collect();
    ui.result(&text.join("\n"))
}

fn describe(profile: &Profile, all: &[Profile]) -> String {
    let mut text = format!(
        "{}\n  {}, {}\n  PostgreSQL {}\n",
        profile.name,
        profile.title,
        listed(&profile.architectures),
        listed(&profile.postgres.majors),
    );
    let mut line = |words: String| {
        writeln!(text, "  {words}").expect("a String takes any text");
    };
    if profile.bases.is_empty() {
        line("no base image: capture yours with `pgbundle base capture`".to_owned());
    } else {
        let bases: Vec<_> = profile.bases.iter().map(|base| &base.name).collect();
        line(format!("proved against the base images {}", listed(bases)));
    }
    for (since, sources) in profile.frozen() {
        let sources = listed(&sources);
        line(format!("nothing changes since {since} in {sources}"));
    }
    let private = profile.sources.iter().filter(|s| s.mirrors.is_empty());
    let private: Vec<_> = private.map(|source| &source.id).collect();
    if !private.is_empty() {
        let sources = listed(private);
        line(format!(
            "no public address of {sources}: name yours with `--mirrors`"
        ));
    }
    if !profile.disabled_modules.is_empty() {
        let modules = listed(&profile.disabled_modules);
        line(format!("without the system's own module {modules}"));
    }
    for file in vendor_files(profile) {
        line(format!("from a file of yours: {file}"));
    }
    // The variants of a system differ in their sources alone.
    let is_parent = |other: &&Profile| profile.extends.as_ref() == Some(&other.name);
    match all.iter().find(is_parent) {
        Some(parent) if notes(parent).eq(notes(profile)) => {
            line(format!("notes as for {}", parent.name));
        }
        _ => notes(profile).for_each(|note| line(format!("note: {note}"))),
    }
    text
}

fn notes(profile: &Profile) -> impl Iterator<Item = &String> {
    profile.postgres.absent.values().chain(&profile.limits)
}

fn listed<'i, T: ToString + 'i>(items: impl IntoIterator<Item = &'i T>) -> String {
    let items: Vec<_> = items.into_iter().map(ToString::to_string).collect();
    items.join(", ")
}
