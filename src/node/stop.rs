//! Why a step stops, and the exit code that says so.

use super::system::CallFault;
use crate::base::atomic::AtomicError;

/// Why a step cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The answer is no: nothing will change by trying again.
    #[error("refused: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// What the operator gave cannot be read.
    #[error("{0}")]
    Input(String),
    /// The world is in the way: disk, network, another program.
    #[error("{0}")]
    World(String),
}

impl Stop {
    /// A refusal for one reason.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self::Refused(vec![reason.into()])
    }

    /// The exit code: 1 the answer is no, 2 the operator's input, 3 the world.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Input(_) => 2,
            Self::World(_) => 3,
        }
    }

    /// The reasons, one a line of a report.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Refused(reasons) => reasons.clone(),
            Self::Input(reason) | Self::World(reason) => vec![reason.clone()],
        }
    }
}

impl From<AtomicError> for Stop {
    fn from(fault: AtomicError) -> Self {
        Self::World(fault.to_string())
    }
}

impl From<CallFault> for Stop {
    fn from(fault: CallFault) -> Self {
        Self::World(fault.to_string())
    }
}
