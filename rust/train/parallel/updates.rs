//! Updates of a network whose topology changes between a worker's pull and its push: what a pull
//! gives, which parts of a pushed gradient are still valid, and what is counted (RetainValidUpdates,
//! arXiv 2102.01732). Plain and single-threaded.

use std::collections::VecDeque;

use crate::error::Result;
use crate::memory::copied;
use crate::nn::{GradientView, Mlp, Pruned, Pruning, Replica, Sources, Update};
use crate::parallel::Par;
use crate::topology::{Rule, Turnover};

/// Changes of the topology that are remembered at most. An epoch has two, an evolution and perhaps
/// a pruning; a gradient that is older is refused.
const MOST_CHANGES: usize = 8;

/// Bins of the histogram of staleness; the last one takes everything beyond.
const BINS: usize = 1024;

/// What a pull gave, and so what a gradient was made on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Changes of the topology before.
    pub topology: u64,
    /// Updates before.
    pub updates: u64,
}

/// What became of a pushed gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries that were applied.
    pub applied: usize,
    /// Entries that were dropped, as their connections are gone or were dropped in between; all of
    /// them if the gradient was refused.
    pub dropped: usize,
    /// Updates between the pull and the push.
    pub staleness: u64,
    /// Whether the gradient as a whole was too old.
    pub refused: bool,
}

/// What has been done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Gradients that were applied, wholly or in part.
    pub updates: u64,
    /// Gradients that were refused.
    pub refused: u64,
    /// Entries that were applied; those of biases are not counted.
    pub applied: u64,
    /// Entries that were dropped.
    pub dropped: u64,
    /// The sum of the staleness of all pushed gradients, refused ones included.
    pub staleness: u64,
    /// The largest staleness.
    pub most_stale: u64,
    /// How many gradients had which staleness; the last of 1024 bins takes all beyond.
    pub histogram: Vec<u64>,
}

/// Pulls and pushes of the workers of one network. The network is the caller's, who passes the same
/// one to every call and changes it through these calls only; the state of the optimiser is in it.
///
/// A gradient's entry is applied if and only if its connection has existed without a break since
/// the pull: one that was dropped and grown again at the same place takes nothing. For that the map
/// of every change of the topology is kept as long as a worker may push on what was before it.
#[derive(Debug)]
pub struct ValidUpdates {
    version: Version,
    /// The last changes, the newest last: where the connections were before.
    changes: VecDeque<Sources>,
    /// What each worker that has not pushed since holds.
    pulled: Vec<Option<Version>>,
    max_staleness: Option<u64>,
    tally: Tally,
}

impl ValidUpdates {
    /// Updates by `workers` workers; refused are gradients of a staleness above `max_staleness`,
    /// none by default.
    pub fn new(workers: usize, max_staleness: Option<u64>) -> Self {
        ValidUpdates {
            version: Version::default(),
            changes: VecDeque::new(),
            pulled: vec![None; workers],
            max_staleness,
            tally: Tally::default(),
        }
    }

    /// The current version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What has been done so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Changes of the topology that are remembered at the moment.
    pub fn remembered(&self) -> usize {
        self.changes.len()
    }

    /// Brings a worker's replica up to date: values always, the structure only if it is newer than
    /// what the worker has, `known`. Without a replica it gets one.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn pull(
        &mut self,
        model: &Mlp,
        worker: usize,
        replica: &mut Option<Replica>,
        known: Version,
    ) -> Result<Version> {
        match replica {
            None => *replica = Some(Replica::new(model)?),
            Some(replica) if known.topology < self.version.topology => {
                replica.pull_structure(model)?;
            }
            Some(replica) => replica.pull_values(model),
        }
        Ok(self.note_pull(worker))
    }

    /// Notes that a worker is given the network as it is now.
    ///
    /// # Panics
    /// If there is no such worker.
    pub fn note_pull(&mut self, worker: usize) -> Version {
        self.pulled[worker] = Some(self.version);
        self.forget();
        self.version
    }

    /// What a worker was given, unless it has pushed since.
    pub fn last_pull(&self, worker: usize) -> Option<Version> {
        self.pulled.get(worker).copied().flatten()
    }

    /// Takes a worker's gradient, made on `made_on`, and makes one step of the optimiser at once.
    ///
    /// # Panics
    /// If there is no such worker or no such version yet, or if the gradient does not fit it.
    pub fn push(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        worker: usize,
        gradient: GradientView<'_>,
        made_on: Version,
        step: &Update,
    ) -> Result<Outcome> {
        let age = self.version.topology.checked_sub(made_on.topology);
        let staleness = self.version.updates.checked_sub(made_on.updates);
        let (Some(age), Some(staleness)) = (age, staleness) else {
            panic!("internal: a gradient made on {made_on:?}, at {:?}", self.version);
        };
        let (age, entries) = (age as usize, gradient.entries());
        let too_stale = self.max_staleness.is_some_and(|most| staleness > most);
        let refused = too_stale || age > self.changes.len();
        let applied = match age {
            _ if refused => 0,
            0 => {
                model.apply(par, &[gradient], step);
                entries
            }
            age => model.apply_valid(par, gradient, &self.origins(age)?, step),
        };
        self.pulled[worker] = None;
        self.forget();
        let outcome = Outcome { applied, dropped: entries - applied, staleness, refused };
        self.count(&outcome);
        Ok(outcome)
    }

    /// Evolves the topology, as [`Mlp::evolve`].
    pub fn evolve(&mut self, par: &Par, model: &mut Mlp, rule: &dyn Rule) -> Result<Vec<Turnover>> {
        let (turnover, sources) = model.evolve_tracked(par, rule, self.is_awaited())?;
        self.changed(sources);
        Ok(turnover)
    }

    /// Prunes neurons, as [`Mlp::prune`].
    pub fn prune(&mut self, par: &Par, model: &mut Mlp, rule: &Pruning) -> Result<Vec<Pruned>> {
        let (reports, sources) = model.prune_tracked(par, rule, self.is_awaited())?;
        self.changed(sources);
        Ok(reports)
    }

    /// Whether a worker may still push on the current version or an older one.
    fn is_awaited(&self) -> bool {
        self.pulled.iter().any(Option::is_some)
    }

    fn changed(&mut self, sources: Sources) {
        if self.is_awaited() {
            self.changes.push_back(sources);
        }
        self.version.topology += 1;
        self.forget();
    }

    /// Drops the maps that no worker can need.
    fn forget(&mut self) {
        let oldest = self.pulled.iter().flatten().map(|v| v.topology).min();
        let needed = oldest.map_or(0, |oldest| (self.version.topology - oldest) as usize);
        while self.changes.len() > needed.min(MOST_CHANGES) {
            self.changes.pop_front();
        }
    }

    /// Where the connections of each layer were `age` changes ago.
    fn origins(&self, age: usize) -> Result<Sources> {
        let mut origins: Sources = Vec::new();
        for change in self.changes.iter().rev().take(age) {
            origins.resize(change.len(), None);
            for (origin, source) in origins.iter_mut().zip(change) {
                let Some(source) = source else { continue };
                match origin {
                    None => *origin = Some(copied(source, "the map of connections")?),
                    // A connection without an origin stays without.
                    Some(origin) => origin.iter_mut().for_each(|at| {
                        *at = source.get(*at as usize).copied().unwrap_or(crate::csr::NONE);
                    }),
                }
            }
        }
        Ok(origins)
    }

    fn count(&mut self, outcome: &Outcome) {
        let tally = &mut self.tally;
        self.version.updates += u64::from(!outcome.refused);
        tally.updates += u64::from(!outcome.refused);
        tally.refused += u64::from(outcome.refused);
        tally.applied += outcome.applied as u64;
        tally.dropped += outcome.dropped as u64;
        tally.staleness += outcome.staleness;
        tally.most_stale = tally.most_stale.max(outcome.staleness);
        let bin = (outcome.staleness as usize).min(BINS - 1);
        if tally.histogram.len() <= bin {
            tally.histogram.resize(bin + 1, 0);
        }
        tally.histogram[bin] += 1;
    }
}
