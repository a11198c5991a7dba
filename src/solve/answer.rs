//! The answer, by resolvo's conflict-driven search.
//!
//! One resolvo name for each slot, and a version set is simply a list of
//! solvables; a need with candidates in several slots is a union of such
//! lists, whose order is the order of preference.

use std::collections::HashMap;
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Problem, SolvableId, Solver,
    SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use crate::repo::model::{Id, Model, Requirement};

/// A choice that satisfies the model, sorted; or resolvo's account of why there is none.
pub fn close(model: &Model) -> Result<Vec<Id>, String> {
    let mut provider = Provider::new(model);
    let mut wanted: Vec<_> = (model.roots.iter())
        .map(|root| provider.require(root))
        .collect();
    for id in &model.installed {
        let slot = model.solvable(*id).slot;
        let ids = provider.slots[slot as usize].clone();
        wanted.push(ConditionalRequirement::from(provider.set(slot, ids)));
    }
    provider.lower();
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(wanted)) {
        Ok(chosen) => {
            let mut ids: Vec<_> = chosen.into_iter().map(SolvableId::into_raw).collect();
            ids.sort_unstable();
            Ok(ids)
        }
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            Err(conflict.display_user_friendly(&solver).to_string())
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => {
            unreachable!("`should_cancel_with_value` never cancels")
        }
    }
}

// Some solvables of one slot, sorted; none of them, where a slot must stay empty.
type VersionSet = (u32, Vec<Id>);

struct Provider<'m> {
    model: &'m Model,
    slots: Vec<Vec<Id>>,
    sets: Vec<VersionSet>,
    set_ids: HashMap<VersionSet, VersionSetId>,
    set_texts: HashMap<VersionSetId, &'m str>,
    unions: Vec<Vec<VersionSetId>>,
    dependencies: Vec<Dependencies>,
}

impl<'m> Provider<'m> {
    fn new(model: &'m Model) -> Self {
        Self {
            model,
            slots: model.slots(),
            sets: Vec::new(),
            set_ids: HashMap::new(),
            set_texts: HashMap::new(),
            unions: Vec::new(),
            dependencies: Vec::new(),
        }
    }

    fn set(&mut self, slot: u32, mut ids: Vec<Id>) -> VersionSetId {
        ids.sort_unstable();
        let next = VersionSetId(self.sets.len() as u32);
        let id = *self.set_ids.entry((slot, ids.clone())).or_insert(next);
        if id == next {
            self.sets.push((slot, ids));
        }
        id
    }

    // Candidates of one slot form one set, at the place of the first of them.
    fn require(&mut self, requirement: &'m Requirement) -> ConditionalRequirement {
        let mut groups: Vec<(u32, Vec<Id>)> = Vec::new();
        for id in &requirement.candidates {
            let slot = self.model.solvable(*id).slot;
            match groups.iter_mut().find(|(known, _)| *known == slot) {
                Some((_, ids)) => ids.push(*id),
                None => groups.push((slot, vec![*id])),
            }
        }
        let sets: Vec<_> = groups
            .into_iter()
            .map(|(slot, ids)| self.set(slot, ids))
            .collect();
        for set in &sets {
            self.set_texts.entry(*set).or_insert(&requirement.text);
        }
        match sets[..] {
            [set] => set.into(),
            _ => {
                self.unions.push(sets);
                let union = VersionSetUnionId(self.unions.len() as u32 - 1);
                resolvo::Requirement::Union(union).into()
            }
        }
    }

    fn lower(&mut self) {
        let model = self.model;
        self.dependencies = model.ids().map(|id| self.dependencies_of(id)).collect();
    }

    fn dependencies_of(&mut self, id: Id) -> Dependencies {
        let model = self.model;
        let solvable = model.solvable(id);
        let unmet = |r: &Requirement| r.candidates.is_empty();
        if solvable.requirements.iter().any(unmet) {
            return Dependencies::Unknown(StringId(id));
        }
        let requirements = solvable
            .requirements
            .iter()
            .map(|r| self.require(r))
            .collect();
        let mut struck: Vec<_> = (solvable.conflicts.iter())
            .map(|other| model.solvable(*other).slot)
            .filter(|slot| *slot != solvable.slot)
            .collect();
        struck.sort_unstable();
        struck.dedup();
        let constrains = struck
            .into_iter()
            .map(|slot| self.spared(slot, &solvable.conflicts));
        Dependencies::Known(KnownDependencies {
            requirements,
            constrains: constrains.collect(),
        })
    }

    // What of a slot may still be chosen beside something with these conflicts.
    fn spared(&mut self, slot: u32, conflicts: &[Id]) -> VersionSetId {
        let ids = self.slots[slot as usize].iter().copied();
        let spared = ids.filter(|id| !conflicts.contains(id)).collect();
        self.set(slot, spared)
    }

    fn label(&self, id: SolvableId) -> &'m str {
        &self.model.solvable(id.into_raw()).label
    }
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.label(solvable)
    }

    fn display_merged_solvables(&self, solvables: &[SolvableId]) -> impl Display + '_ {
        let labels: Vec<_> = solvables.iter().map(|id| self.label(*id)).collect();
        labels.join(" | ")
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        let first = self.slots[name.into_raw() as usize].first();
        first.map_or("", |id| {
            let label = self.model.solvable(*id).label.as_str();
            label.split(' ').next().unwrap_or(label)
        })
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        self.set_texts.get(&set).copied().unwrap_or("of the base")
    }

    fn display_string(&self, string: StringId) -> impl Display + '_ {
        let unmet = self.model.solvable(string.0).requirements.iter();
        let shortfalls: Vec<_> = unmet.filter_map(|r| r.shortfall.as_deref()).collect();
        shortfalls.join("; ")
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        NameId::from_raw(self.sets[set.0 as usize].0)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(self.model.solvable(solvable.into_raw()).slot)
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.unions[union.0 as usize].iter().copied()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement of the model has a condition")
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let (_, ids) = &self.sets[set.0 as usize];
        let candidates = candidates.iter().copied();
        candidates
            .filter(|id| ids.contains(&id.into_raw()) != inverse)
            .collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let ids = self.slots[name.into_raw() as usize].iter();
        Some(Candidates {
            candidates: ids.map(|id| SolvableId::from_raw(*id)).collect(),
            hint_dependencies_available: HintDependenciesAvailable::All,
            ..Candidates::default()
        })
    }

    // The model's numbers ascend from the preferred to the last resort.
    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_unstable();
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        self.dependencies[solvable.into_raw() as usize].clone()
    }
}
