//! The rules by which a topology evolves. A rule puts parts together: which connections go
//! ([`super::weakest`], or another [`super::Survival`]), how many come, where ([`Thinned`]) and
//! which ([`Thinned::draw`], [`largest`]). [`Set`] is the shortest.
//!
//! The caller decides when a topology evolves.

mod gradient;
mod set;

use std::fmt::{self, Debug};

use serde::{Deserialize, Serialize};

use super::buffers::Buffers;
use super::drop::Survival;
use super::init::{Init, Shape};
use super::merge::{Evolved, merge};
use super::thinned::{Old, Thinned};
use crate::csr::Pattern;
use crate::error::Result;
use crate::parallel::Par;
use crate::rng::Stream;

pub use gradient::{GradientGrowth, candidate_bytes, largest};
pub use set::Set;

/// A rule by which the topology of a layer evolves.
pub trait Rule: Debug + Sync {
    /// Checks every value; the message names the argument.
    fn check(&self) -> Result<()>;

    /// Whether [`Evolving::gradients`] must be there, so that an evolution needs samples.
    fn needs_gradients(&self) -> bool {
        false
    }

    /// What one evolution makes of a layer. The new arrays are those of `buffers`.
    fn evolve(&self, par: &Par, layer: &Evolving<'_>, buffers: &mut Buffers) -> Result<Evolved>;
}

/// The rules that have a name. To add one, write its file beside the others, and a variant and an
/// arm here.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum NamedRule {
    /// Drops the weakest, grows at random.
    Set(Set),
    /// Drops the weakest, grows where gradients are largest among candidates.
    GradientGrowth(GradientGrowth),
}

impl NamedRule {
    fn rule(&self) -> &dyn Rule {
        match self {
            NamedRule::Set(rule) => rule,
            NamedRule::GradientGrowth(rule) => rule,
        }
    }
}

impl Rule for NamedRule {
    fn check(&self) -> Result<()> {
        self.rule().check()
    }

    fn needs_gradients(&self) -> bool {
        self.rule().needs_gradients()
    }

    fn evolve(&self, par: &Par, layer: &Evolving<'_>, buffers: &mut Buffers) -> Result<Evolved> {
        self.rule().evolve(par, layer, buffers)
    }
}

/// Writes the gradients that the loss has, or would have, at places of the layer, in the order of
/// the pattern.
pub type Gradients<'a> = &'a (dyn Fn(Pattern<'_>, &mut [f32]) -> Result<()> + Sync);

/// A layer that evolves, and what its rule may use.
#[derive(Clone, Copy)]
pub struct Evolving<'a> {
    /// The layer as it is.
    pub old: Old<'a>,
    /// The distribution of its initial weights.
    pub init: Init,
    /// Random numbers that choose places.
    pub places: Stream,
    /// Random numbers that choose weights.
    pub values: Stream,
    /// The gradients of the loss on a batch; None without samples.
    pub gradients: Option<Gradients<'a>>,
}

impl Debug for Evolving<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evolving").field("old", &self.old).finish_non_exhaustive()
    }
}

impl Evolving<'_> {
    /// [`merge`] with weights of the initial distribution times `grow_init` for what grows.
    pub fn merge<S: Survival>(
        &self,
        par: &Par,
        thinned: &Thinned<'_, S>,
        places: Vec<u64>,
        grow_init: f32,
        buffers: &mut Buffers,
    ) -> Result<Evolved> {
        let w = self.old.weights;
        let shape = Shape { n_in: w.n_cols(), n_out: w.n_rows(), nnz: w.nnz() };
        let value = |row_nnz| {
            let scale = grow_init * self.init.scale(shape, row_nnz);
            move |index| scale * self.init.unit(self.values, index)
        };
        merge(par, thinned, places, value, buffers)
    }
}
