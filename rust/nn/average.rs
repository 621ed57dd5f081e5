//! The end of parallel training: several networks become one (phase 2 of WASAP-SGD,
//! arXiv 2102.01732).

use super::mlp::Mlp;
use super::moments::Second;
use super::srelu::SRelu;
use crate::error::Result;
use crate::kernels::{LEAST, flush};
use crate::memory::{collected, filled};
use crate::parallel::Par;
use crate::topology::average;

impl Mlp {
    /// A copy that draws other random numbers from now on.
    pub fn clone_with_seed(&self, seed: u64) -> Result<Self> {
        let mut copy = self.try_clone()?;
        copy.config.seed = seed;
        Ok(copy)
    }

    /// Takes over the average of networks that were made from this one.
    ///
    /// Weights and momentum are averaged over the union of the connections, which is cut back in
    /// each layer to the mean number of connections (see [`average`]). Biases, SReLU's parameters
    /// and their momentum are averaged too. The counters are those of the first network. A neuron
    /// stays closed if it is closed in all of them. The average of one network is that network,
    /// but for denormal numbers, which become 0 as in training.
    ///
    /// If memory runs out nothing has changed. At its peak this takes 12 bytes for each connection
    /// of the union.
    ///
    /// # Panics
    /// Without networks, or if one has other layers.
    pub fn average(&mut self, par: &Par, models: &[&Mlp]) -> Result<()> {
        let mean = |values: &dyn Fn(&Mlp) -> Vec<f64>| -> Vec<f32> {
            let mut sums = values(models[0]);
            for model in &models[1..] {
                sums.iter_mut().zip(values(model)).for_each(|(sum, v)| *sum += v);
            }
            let mut means: Vec<_> =
                sums.into_iter().map(|sum| (sum / models.len() as f64) as f32).collect();
            flush(&mut means, LEAST);
            means
        };
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        let averaged = par.map(self.layers.len(), |l| {
            let layers = || models.iter().map(|model| &model.layers[l]);
            let parts: Vec<_> = layers().map(|l| (&l.weights, &l.momentum[..])).collect();
            let target = layers().map(|l| l.weights.nnz()).sum::<usize>() / models.len();
            let (mut weights, mut momentum) = average(&parts, target)?;
            flush(weights.data_mut(), LEAST);
            flush(&mut momentum, LEAST);
            let pruned = if layers().any(|l| l.pruned.is_empty()) {
                Vec::new()
            } else {
                let mut all = filled(weights.n_rows(), true, "pruned neurons")?;
                for layer in layers() {
                    all.iter_mut().zip(&layer.pruned).for_each(|(all, own)| *all &= *own);
                }
                all
            };
            let bias = collected(mean(&|m| wide(&m.layers[l].bias)).into_iter(), "biases")?;
            let bias_momentum = mean(&|m| wide(&m.layers[l].bias_momentum));
            let srelu = self.layers[l].srelu().map(|_| {
                let of = |m: &Mlp, values: fn(&SRelu) -> &[f32]| {
                    wide(m.layers[l].srelu().map_or(&[][..], values))
                };
                let parameters = mean(&|m| of(m, SRelu::parameters));
                SRelu { parameters, momentum: mean(&|m| of(m, SRelu::momentum)) }
            });
            Ok((weights, momentum, bias, bias_momentum, srelu, pruned))
        });
        let averaged = averaged.into_iter().collect::<Result<Vec<_>>>()?;
        for (layer, (weights, momentum, bias, bias_momentum, srelu, pruned)) in
            self.layers.iter_mut().zip(averaged)
        {
            (layer.weights, layer.momentum) = (weights, momentum);
            (layer.bias, layer.bias_momentum, layer.pruned) = (bias, bias_momentum, pruned);
            layer.srelu = srelu;
            layer.transpose.take();
            layer.second = Second::default();
        }
        self.state = None;
        self.counters = models[0].counters;
        Ok(())
    }
}
