//! `pgbundle init`: a commented spec to start from.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::report::Failure;
use super::ui::Ui;

/// The commented spec.
const TEMPLATE: &str = include_str!("../../clusters/template.toml");

/// Write a commented spec to start from
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file to write; it must not exist
    #[arg(value_name = "FILE", default_value = "cluster.toml")]
    file: PathBuf,
}

/// Writes the spec, and never over another.
pub fn run(arguments: &Arguments, ui: &Ui) -> Result<(), Failure> {
    let path = &arguments.file;
    let mut file = std::fs::File::create_new(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::input(format!(
            "{} exists already and is left as it is",
            path.display()
        ))
        .hint("name another file: `pgbundle init other.toml`"),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Failure::input(
            format!("cannot write {}: its folder is not there", path.display()),
        )
        .hint("make the folder first, or name another file"),
        _ => Failure::file("write", path, &error),
    })?;
    file.write_all(TEMPLATE.as_bytes()).map_err(|error| {
        // Half of it would stand in the way of the next try; what cannot be removed is told then.
        drop(std::fs::remove_file(path));
        Failure::file("write", path, &error)
    })?;
    ui.say(format!(
        "wrote {}: set the names and addresses of your hosts in it,",
        path.display()
    ));
    ui.say(format!(
        "then `pgbundle plan --cluster {}` says what it makes of them",
        path.display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_is_a_valid_spec() {
        crate::spec::parse(super::TEMPLATE).expect("what init writes is right");
    }
}
