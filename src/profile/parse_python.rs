//! A profile's `[python]`: the wheels that a component runs on, each pinned.

use super::Python;
use crate::base::{NodePath, Sha256};
use crate::document::{FromText, Section};
use crate::wheel::{Interpreter, Sdist, Wheel, WheelName};

impl FromText for WheelName {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error: crate::wheel::NotAWheel| error.to_string())
    }
}

/// The minor version out of `3.6` or `2.17`, after that major.
fn minor<const MAJOR: u32>(text: &str) -> Result<Minor<MAJOR>, String> {
    let minor = text
        .strip_prefix(&format!("{MAJOR}."))
        .and_then(|minor| minor.parse().ok());
    minor
        .map(Minor)
        .ok_or_else(|| format!("`{text}` is no version such as {MAJOR}.6"))
}

struct Minor<const MAJOR: u32>(u32);

impl<const MAJOR: u32> FromText for Minor<MAJOR> {
    fn from_text(text: &str) -> Result<Self, String> {
        minor(text)
    }
}

/// Reads the table; the parent's counts where there is none.
pub(super) fn read(root: &Section<'_, '_>, parent: Option<&Python>) -> Option<Python> {
    let Some(section) = root.table("python") else {
        return parent.cloned();
    };
    let component = section.required::<String>("component");
    let version = section.required::<Minor<3>>("version");
    let glibc = section.required::<Minor<2>>("glibc");
    let machine = section.required::<String>("machine");
    let program = section.required::<NodePath>("program");
    let environment = section.required::<NodePath>("environment");
    let pip = section.required::<WheelName>("pip");
    let wheels = sorted(section.tables("wheel"));
    let tools = sorted(section.tables("tool"));
    let interpreter = Interpreter {
        minor: version?.into_inner().0,
        machine: machine?.into_inner(),
        glibc_minor: glibc?.into_inner().0,
    };
    for wheel in wheels
        .iter()
        .filter(|wheel| !wheel.name.is_for(&interpreter))
    {
        let message = format!("the wheel {} is not for {interpreter}", wheel.name);
        let hint = "pin the one of that project whose name ends with a tag for this Python";
        section
            .faults()
            .add(message, Some(section.span()), "", Some(hint));
    }
    for pair in wheels
        .windows(2)
        .filter(|pair| pair[0].name.project() == pair[1].name.project())
    {
        let message = format!("{} and {} are of one project", pair[0].name, pair[1].name);
        section
            .faults()
            .add(message, Some(section.span()), "", None);
    }
    let pip = pip?;
    if !wheels.iter().any(|wheel| wheel.name == *pip.get_ref()) {
        section.faults().add(
            "the wheel of pip, which installs the others, is not among them",
            Some(pip.span()),
            "",
            None,
        );
    }
    section.finish();
    Some(Python {
        component: component?.into_inner(),
        interpreter,
        program: program?.into_inner(),
        environment: environment?.into_inner(),
        pip: pip.into_inner(),
        wheels,
        tools,
    })
}

fn sorted(sections: Vec<Section<'_, '_>>) -> Vec<Wheel> {
    let mut wheels: Vec<_> = sections.into_iter().filter_map(wheel).collect();
    wheels.sort_by_key(|wheel| wheel.name.project());
    wheels
}

fn wheel(section: Section<'_, '_>) -> Option<Wheel> {
    let name = section.required::<WheelName>("file");
    let size = section.required::<u32>("size");
    let sha256 = section.required::<Sha256>("sha256");
    let sdist = section.value::<Sha256>("sdist");
    section.finish();
    Some(Wheel {
        name: name?.into_inner(),
        size: size?.into_inner().into(),
        sha256: sha256?.into_inner(),
        sdist: sdist.map(|sha256| Sdist { sha256 }),
    })
}
