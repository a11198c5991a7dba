//! Failures as the operator meets them: one message, where, what to do, exit code.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use rustix::io::Errno;

use crate::document::Fault;
use crate::library::LibraryError;

/// Whose turn it is to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The question was answered with no.
    No,
    /// The operator's input is wrong.
    Input,
    /// The disk, the network, another program.
    World,
}

/// More than this of one document is read by nobody.
const MOST_FAULTS: usize = 20;

/// Something failed.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Plain {
        message: String,
        hint: Option<String>,
    },
    Document {
        path: String,
        text: String,
        fault: Fault,
    },
}

impl Failure {
    /// The answer is no.
    pub fn no(message: impl Into<String>) -> Self {
        Self::plain(Kind::No, message.into())
    }

    /// The input is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::plain(Kind::Input, message.into())
    }

    /// The world is in the way.
    pub fn world(message: impl Into<String>) -> Self {
        Self::plain(Kind::World, message.into())
    }

    /// A file or folder cannot be read or written.
    pub fn file(what: &str, path: &Path, error: &std::io::Error) -> Self {
        let reason = match error.kind() {
            ErrorKind::NotFound => "there is no such file".to_owned(),
            ErrorKind::IsADirectory => "it is a folder".to_owned(),
            ErrorKind::NotADirectory => "a part of its path is no folder".to_owned(),
            // What `read_to_string` says of bytes that are no UTF-8.
            ErrorKind::InvalidData => "it is no text in UTF-8".to_owned(),
            ErrorKind::FileTooLarge => "it is far too large to be one".to_owned(),
            _ => error.to_string(),
        };
        let kind = match error.kind() {
            _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Kind::Input,
            ErrorKind::NotFound
            | ErrorKind::FileTooLarge
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename => Kind::Input,
            _ => Kind::World,
        };
        Self::plain(kind, format!("cannot {what} {}: {reason}", path.display()))
    }

    /// Everything that is wrong with a document.
    pub fn document(path: impl Into<String>, text: &str, faults: Vec<Fault>) -> Self {
        let path = path.into();
        let part = |fault| Part::Document {
            path: path.clone(),
            text: text.to_owned(),
            fault,
        };
        let rest = faults.len().saturating_sub(MOST_FAULTS);
        let mut parts: Vec<_> = faults.into_iter().take(MOST_FAULTS).map(part).collect();
        if rest > 0 {
            parts.push(Part::plain(format!("{path} has {rest} more faults")));
        }
        Self {
            kind: Kind::Input,
            parts,
        }
    }

    /// The same failure, with the text of a document underlined that brought it about.
    pub fn at(mut self, path: &str, text: &str, span: std::ops::Range<usize>) -> Self {
        for part in &mut self.parts {
            // What is about another document has its place already.
            if let Part::Plain { message, hint } = part {
                let fault = Fault {
                    message: std::mem::take(message),
                    span: Some(span.clone()),
                    label: String::new(),
                    hint: hint.take(),
                };
                *part = Part::Document {
                    path: path.to_owned(),
                    text: text.to_owned(),
                    fault,
                };
            }
        }
        self
    }

    /// Several messages of one kind.
    pub fn several(kind: Kind, messages: impl IntoIterator<Item = impl Display>) -> Self {
        let messages = messages.into_iter().map(|message| message.to_string());
        Self {
            kind,
            parts: messages.map(Part::plain).collect(),
        }
    }

    /// Adds what to do to the last message.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        if let Some(Part::Plain { hint, .. }) = self.parts.last_mut() {
            *hint = Some(text.into());
        }
        self
    }

    fn plain(kind: Kind, message: String) -> Self {
        Self {
            kind,
            parts: vec![Part::plain(message)],
        }
    }

    /// The program's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::No => 1,
            Kind::Input => 2,
            Kind::World => 3,
        })
    }

    /// The text for people, without a final newline.
    pub fn render(&self, renderer: &Renderer) -> String {
        let rendered: Vec<_> = self
            .parts
            .iter()
            .map(|part| part.render(renderer))
            .collect();
        rendered.join("\n\n")
    }
}

impl Part {
    /// With what helps against a fault of the system, until somebody knows better.
    fn plain(message: String) -> Self {
        let code = |number: u8| message.contains(&format!("(os error {number})"));
        // errno(3): ENOSPC and EDQUOT, EACCES and EPERM, EROFS.
        let hint = if code(28) || code(122) {
            "make room there, or name another place"
        } else if code(13) || code(1) {
            "see to whom it belongs and what its mode is, or name another place"
        } else if code(30) {
            "mount it so that it can be written, or name another place"
        } else {
            return Self::Plain {
                message,
                hint: None,
            };
        };
        Self::Plain {
            message,
            hint: Some(hint.to_owned()),
        }
    }

    fn render(&self, renderer: &Renderer) -> String {
        match self {
            Self::Plain { message, hint } => render(renderer, message, None, hint.as_deref()),
            Self::Document { path, text, fault } => {
                let place = fault
                    .span
                    .clone()
                    .map(|span| (path.as_str(), text.as_str(), span, fault.label.as_str()));
                let message = match place {
                    Some(_) => fault.message.clone(),
                    None => format!("{path}: {}", fault.message),
                };
                render(renderer, &message, place, fault.hint.as_deref())
            }
        }
    }
}

fn render(
    renderer: &Renderer,
    message: &str,
    place: Option<(&str, &str, std::ops::Range<usize>, &str)>,
    hint: Option<&str>,
) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(message));
    if let Some((path, text, span, label)) = place {
        let annotation = AnnotationKind::Primary
            .span(one_line(text, span))
            .label(label);
        group = group.element(Snippet::source(text).path(path).annotation(annotation));
    }
    let mut rendered = renderer.render(&[group]);
    if let Some(hint) = hint {
        rendered.push_str(&format!("\nhint: {hint}"));
    }
    rendered
}

/// A span cut at the end of its first line: a whole table underlined says less.
fn one_line(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let length = text[span.clone()].find('\n').unwrap_or(span.len());
    span.start..span.start + length
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Profile { path, text, faults } => Self::document(path, &text, faults),
            LibraryError::Read { .. } => Self::world(error.to_string()),
            LibraryError::UnknownProfile { .. } => Self::input(error.to_string())
                .hint("`pgbundle profiles` describes them; `--library DIR` adds your own"),
            LibraryError::NoFile(_) | LibraryError::Circle(_) => Self::input(error.to_string()),
        }
    }
}
