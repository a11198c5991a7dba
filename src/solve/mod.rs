//! The dependency closure over what a base has installed. Pure.
//!
//! resolvo gives the answer; a plain breadth-first closure runs beside it, and
//! where the two differ the caller is told. A failure is explained as a chain
//! from what was asked for to what is missing.
//!
//! The base's packages stay or are upgraded where something needs it. They
//! are never removed (each slot of the base is required) and never downgraded
//! (the model has no older candidate).

pub mod answer;
pub mod explain;
pub mod greedy;
pub mod slice;

use crate::repo::model::{Id, Model};

/// A choice that satisfies everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// Everything chosen, what the base has included, sorted.
    pub chosen: Vec<Id>,
    /// How the breadth-first closure differs, in words.
    pub difference: Option<String>,
}

/// There is no choice.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SolveError {
    /// A need that nothing can satisfy.
    #[error("{0}")]
    Gap(String),
    /// Each need could be satisfied, but not all together.
    #[error("the packages asked for cannot be installed together:\n{0}")]
    Conflict(String),
}

/// Closes the model's roots over its base.
pub fn close(model: &Model) -> Result<Closure, SolveError> {
    if let Some(chain) = explain::gap(model) {
        return Err(SolveError::Gap(chain));
    }
    let chosen = answer::close(model).map_err(SolveError::Conflict)?;
    let difference = difference(model, &chosen);
    Ok(Closure { chosen, difference })
}

fn difference(model: &Model, chosen: &[Id]) -> Option<String> {
    let other = match greedy::close(model) {
        Ok(other) => other,
        Err(need) => {
            return Some(format!(
                "the breadth-first closure found nothing for `{need}`"
            ));
        }
    };
    let only = |these: &[Id], those: &[Id]| {
        let alone = these.iter().filter(|id| those.binary_search(id).is_err());
        let labels: Vec<_> = alone.map(|id| model.solvable(*id).label.as_str()).collect();
        labels.join(", ")
    };
    (other != chosen).then(|| {
        format!(
            "the solver alone has [{}], the breadth-first closure alone [{}]",
            only(chosen, &other),
            only(&other, chosen)
        )
    })
}

#[cfg(test)]
mod tests;
