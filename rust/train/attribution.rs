//! What inputs do to outputs: sums of gradients over many samples, and contributions along a path.

mod path;

pub use path::{Along, PathPass};

use super::DataView;
use crate::error::{Error, Result};
use crate::kernels::Batch;
use crate::memory::{area, copied, filled, reserved};
use crate::nn::{InputGradients, Mlp, Quantity};
use crate::parallel::Par;

const WHAT: &str = "gradients of inputs";

/// Work below which features stay on the calling thread, in lanes.
const GRAIN: usize = 1 << 14;

/// Sums over samples, (outputs, features) each: of the gradient g of an output by an input x, in the
/// network's own units, and of its product with the input.
#[derive(Debug, Default)]
pub struct GradientSums {
    /// Of g.
    pub gradient: Vec<f64>,
    /// Of |g|.
    pub gradient_size: Vec<f64>,
    /// Of g x.
    pub product: Vec<f64>,
    /// Of |g x|.
    pub product_size: Vec<f64>,
    /// How many samples.
    pub samples: usize,
}

/// A pass over samples that sums up their gradients. It can be paused between two outputs.
#[derive(Debug)]
pub struct GradientPass {
    gradients: InputGradients,
    outputs: Vec<u32>,
    batch_size: usize,
    /// The first sample of the batch, and how many outputs of it are done.
    at: (usize, usize),
    total: usize,
    sums: GradientSums,
}

/// The sums of some features.
struct Part<'a>([&'a mut [f64]; 4]);

impl<'a> Part<'a> {
    fn split(self, at: usize) -> (Self, Self) {
        let [a, b, c, d] = self.0.map(|sums| sums.split_at_mut(at));
        (Part([a.0, b.0, c.0, d.0]), Part([a.1, b.1, c.1, d.1]))
    }

    /// Adds the `batch` samples of each feature in their order.
    fn add(self, first: usize, g: Batch<'_>, x: Batch<'_>, batch: usize) {
        let [sum, size, product, product_size] = self.0;
        for i in 0..sum.len() {
            let lanes = (first + i) * g.stride..(first + i) * g.stride + batch;
            for (&g, &x) in g.values[lanes.clone()].iter().zip(&x.values[lanes]) {
                let (g, x) = (f64::from(g), f64::from(x));
                sum[i] += g;
                size[i] += g.abs();
                product[i] += g * x;
                product_size[i] += (g * x).abs();
            }
        }
    }
}

/// The outputs that are asked for, checked: ascending, and at least one.
fn checked(model: &Mlp, outputs: &[u32]) -> Result<Vec<u32>> {
    let n = model.n_outputs();
    let ascending = outputs.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || outputs.last().is_none_or(|&k| k as usize >= n) {
        let expected = format!("ascending numbers below {n}, at least one");
        return Err(Error::invalid("outputs", format!("{outputs:?}"), expected));
    }
    copied(outputs, WHAT)
}

impl GradientPass {
    /// A pass over all samples of `data`, of these outputs; `batch_size` changes no bit.
    pub fn new(
        par: &Par,
        model: &Mlp,
        data: &DataView<'_>,
        outputs: &[u32],
        quantity: Quantity,
        batch_size: usize,
    ) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::invalid("batch_size", 0, "at least 1"));
        }
        data.check(model)?;
        let (outputs, batch_size) = (checked(model, outputs)?, batch_size.min(data.samples()));
        let zeros = || {
            let numbers = area(outputs.len(), model.config().layer_sizes[0], WHAT)?;
            filled(numbers, 0.0, WHAT)
        };
        Ok(GradientPass {
            gradients: InputGradients::new(par, model, quantity, batch_size)?,
            sums: GradientSums {
                gradient: zeros()?,
                gradient_size: zeros()?,
                product: zeros()?,
                product_size: zeros()?,
                samples: data.samples(),
            },
            outputs,
            batch_size,
            at: (0, 0),
            total: data.samples(),
        })
    }

    /// Whether every sample has been seen.
    pub fn is_finished(&self) -> bool {
        self.at.0 == self.total
    }

    /// The sums.
    pub fn into_sums(self) -> GradientSums {
        self.sums
    }

    /// Goes on until all samples are done or `go_on` says no; it is asked after every output of a batch.
    pub fn run(
        &mut self,
        par: &Par,
        data: &DataView<'_>,
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        data.check(self.gradients.model())?;
        par.install(|| {
            while !self.is_finished() {
                self.one(par, data)?;
                if !go_on() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// One output of a batch.
    fn one(&mut self, par: &Par, data: &DataView<'_>) -> Result<()> {
        let (start, done) = self.at;
        let batch = self.batch_size.min(self.total - start);
        if done == 0 {
            let mut samples = reserved(batch, "a batch")?;
            samples.extend((start..start + batch).map(|i| i as u32));
            let (buffers, standardizer) = self.gradients.buffers();
            data.gather_lanes(par, standardizer, &samples, buffers)?;
            self.gradients.forward(par, batch);
        }
        let features = self.gradients.model().config().layer_sizes[0];
        let own = done * features..(done + 1) * features;
        self.gradients.backward(par, self.outputs[done] as usize);
        let (g, x) = (self.gradients.gradient(), self.gradients.inputs());
        let GradientSums { gradient, gradient_size, product, product_size, .. } = &mut self.sums;
        let sums = [gradient, gradient_size, product, product_size].map(|s| &mut s[own.clone()]);
        par.for_rows(
            0..features,
            GRAIN,
            Part(sums),
            |feature| feature * batch,
            |sums, range, mid| sums.split(mid - range.start),
            |range, sums| sums.add(range.start, g, x, batch),
        );
        self.at =
            if done + 1 < self.outputs.len() { (start, done + 1) } else { (start + batch, 0) };
        Ok(())
    }
}
