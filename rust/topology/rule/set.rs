//! Sparse evolutionary training, SET (Mocanu et al., 2018): drop the weakest connections, grow
//! random ones.

use serde::{Deserialize, Serialize};

use super::{Evolving, Rule};
use crate::error::{Error, Result};
use crate::parallel::Par;
use crate::topology::{Buffers, Evolved, Thinned, weakest};

/// The parameters of SET.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The fraction of each sign that is dropped, in [0, 1).
    pub zeta: f64,
    /// The scale of grown weights in units of the initial distribution.
    pub grow_init: f32,
}

impl Rule for Set {
    fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.zeta) {
            return Err(Error::invalid("zeta", self.zeta, "a number in [0, 1)"));
        }
        if !(self.grow_init.is_finite() && self.grow_init >= 0.0) {
            let expected = "a finite number of at least 0";
            return Err(Error::invalid("grow_init", self.grow_init, expected));
        }
        Ok(())
    }

    /// Exact zeros are dropped, then of each sign the fraction `zeta` (rounded down) of the weights
    /// closest to zero, ties by position; as many connections grow at empty places drawn uniformly
    /// without replacement: there are always enough.
    fn evolve(&self, par: &Par, layer: &Evolving<'_>, buffers: &mut Buffers) -> Result<Evolved> {
        let dropped = weakest(par, layer.old.weights.data(), self.zeta)?;
        let thinned = Thinned::new(par, layer.old, dropped)?;
        let places = thinned.draw(par, thinned.dropped() as u64, layer.places)?;
        layer.merge(par, &thinned, places, self.grow_init, buffers)
    }
}
