//! Statistics that follow the data batch by batch. The first and the last layer absorb every change,
//! so that what the network answers stays where it was.

use super::layer::Layer;
use super::mlp::Mlp;
use super::optimizer::UpdateKind;
use super::standardize::{Standardizer, Units};
use super::statistics::Moments;
use crate::error::Result;
use crate::memory::{collected, copied, filled, reserved};
use crate::parallel::Par;
use crate::topology::{Scheme, Shape};

const WHAT: &str = "statistics";

/// Entries below which a thread is not worth waking.
const GRAIN: usize = 1 << 16;

/// Samples before which deviations say little: they can be far too small, and weights that made up
/// for that would be far too large. Until then a change moves biases only.
const FEW: f64 = 10.0;

/// The factor above which a spread grows by more than chance.
const GROWS: f64 = 1.02;

/// How far a growing spread may lift the weights of its feature, as root mean squares over those that
/// were drawn, where steps are at the rule's usual rate or above. The weights of a clock, whose spread
/// grows with every batch, would else grow with it until training explodes. The numbers are from trials
/// with clocks, walks and growing noise; they made no feature of one spread worse.
const LIFT: f64 = 0.7;

/// What a change of the unit of a parameter does to it and its moments.
#[derive(Clone, Copy)]
struct Rescale {
    factor: f64,
    /// That of the momentum; of second moments it is squared.
    moment: f64,
}

impl Rescale {
    fn apply(self, value: &mut f32, momentum: &mut f32, second: Option<&mut f32>) {
        let Rescale { factor, moment } = self;
        if factor == 1.0 && moment == 1.0 {
            return;
        }
        let times = |v: &mut f32, factor: f64| *v = (f64::from(*v) * factor) as f32;
        times(value, factor);
        times(momentum, moment);
        if let Some(second) = second {
            times(second, moment * moment);
        }
    }
}

impl Mlp {
    /// Merges the moments of more inputs into the statistics, which begin with them if there are none.
    /// Nothing changes if the statistics are those of the first models, which have no count.
    ///
    /// A feature that had one value until now, or `FEW`, keeps its weights: they have learnt next to
    /// nothing, and were drawn for a standardised feature. Where the spread of a feature grows so far
    /// that steps at the learning `rate` would explode, its weights shrink instead and answers move. At a
    /// rate of 0 they never do.
    pub fn follow_inputs(&mut self, par: &Par, batch: &Moments, rate: f64) -> Result<()> {
        let Some(old) = &self.standardizer else {
            return self.set_standardizer(Standardizer::from_moments(batch)?);
        };
        let Some(mut moments) = old.moments()? else { return self.take_up_constants(par, batch) };
        let known = moments.total() >= FEW;
        moments.merge(batch);
        let new = Standardizer::from_moments(&moments)?;
        let features = new.mean().len();
        let (mut factors, mut shifts) = (reserved(features, WHAT)?, reserved(features, WHAT)?);
        let drawn = self.drawn_square();
        // The lower the rate, the larger are weights that training bears: by the fourth root, in trials.
        let bears = (self.rule().usual_rate() / rate.max(0.0)).powf(0.25).max(1.0);
        let squares = self.layers[0].squares_of_inputs()?;
        for (i, &square) in squares.iter().enumerate() {
            let (before, now) = (old.scale()[i], new.scale()[i]);
            let moved = new.mean()[i] - old.mean()[i];
            let known = known && before > 0.0 && now > 0.0;
            let (factor, room) = (before / now, bears * (drawn / square).sqrt());
            let (factor, shift) = match known {
                false => (1.0, moved * now),
                true if factor > GROWS && factor > LIFT * room => (1.0 / factor, 0.0),
                // Or large weights would be lifted more and more by what varies by chance.
                true if factor > 1.0 / GROWS && room < 1.0 => (1.0, 0.0),
                true => (factor, moved * before),
            };
            factors.push(factor);
            shifts.push(shift);
        }
        let of_gradients = self.rule().moments_are_of_gradients();
        let first = &mut self.layers[0];
        first.weights.unshare()?;
        first.shift_biases(par, &shifts);
        let rescale = |_, i: usize| {
            let factor = factors[i];
            // A gradient by a weight changes the other way round.
            Rescale { factor, moment: if of_gradients { 1.0 / factor } else { factor } }
        };
        first.rescale(par, rescale);
        self.standardizer = Some(self.set_up(new)?);
        Ok(())
    }

    /// Lets features that had one value until now count from now on, if they have others in these
    /// samples; the statistics of the other features stay.
    pub fn take_up_constants(&mut self, par: &Par, batch: &Moments) -> Result<()> {
        let Some(old) = &self.standardizer else { return Ok(()) };
        let Some(count) = old.count() else { return Ok(()) };
        let varies = |i: usize| batch.scale(i) > 0.0 || batch.mean()[i] != old.mean()[i];
        let comes = |i: &usize| old.scale()[*i] == 0.0 && varies(*i);
        if !(0..old.mean().len()).any(|i| comes(&i)) {
            return Ok(());
        }
        let mut merged = old.moments()?;
        if let Some(moments) = &mut merged {
            moments.merge(batch);
        }
        let (mut mean, mut scale) = (copied(old.mean(), WHAT)?, copied(old.scale(), WHAT)?);
        let mut shifts = filled(mean.len(), 0.0, WHAT)?;
        for i in (0..mean.len()).filter(comes) {
            match &merged {
                // Fixed statistics leave the others as they are.
                None => (mean[i], scale[i]) = (0.0, 1.0),
                Some(moments) => {
                    (mean[i], scale[i]) = (moments.mean()[i], moments.scale(i));
                    shifts[i] = (mean[i] - old.mean()[i]) * scale[i];
                }
            }
        }
        self.standardizer = Some(self.set_up(Standardizer::counted(mean, scale, count)?)?);
        self.layers[0].shift_biases(par, &shifts);
        Ok(())
    }

    /// The mean square of the first layer's weights as they are drawn.
    fn drawn_square(&self) -> f64 {
        let (init, first) = (self.config.init, &self.layers[0].weights);
        let (n_in, n_out, nnz) = (first.n_cols(), first.n_rows(), first.nnz());
        let scale = init.scale(Shape { n_in, n_out, nnz }, nnz / n_out.max(1));
        let square = (f64::from(scale) * self.config.input_gain).powi(2);
        // Of uniform numbers up to the scale, or of normal ones.
        if init.scheme == Scheme::Normal { square } else { square / 3.0 }
    }

    /// Multiplies the outputs before the output function: what a softmax is sure of, it is more sure of
    /// with a factor above 1.
    pub fn sharpen(&mut self, par: &Par, factor: f64) -> Result<()> {
        self.layers.iter_mut().try_for_each(|layer| layer.weights.unshare())?;
        let last = self.layers.last_mut().expect("internal: a network has layers");
        // Gradients by what comes out larger are as much smaller.
        let rescale = Rescale { factor, moment: 1.0 };
        last.rescale(par, |_, _| rescale);
        let biases = last.biases_mut();
        for (k, value) in biases.values.iter_mut().enumerate() {
            rescale.apply(value, &mut biases.momentum[k], biases.second.get_mut(k));
        }
        Ok(())
    }

    /// As [`Mlp::follow_inputs`] of targets, whose units are those of the outputs.
    pub fn follow_targets(&mut self, par: &Par, batch: &Moments) -> Result<()> {
        let Some(old) = &self.units else {
            return self.set_units(Units::from_moments(batch)?);
        };
        let mut moments = old.moments()?;
        let known = moments.total() >= FEW;
        moments.merge(batch);
        let new = Units::from_moments(&moments)?;
        let outputs = new.mean().len();
        let factor =
            |k: usize| if known && old.varies(k) { new.scale(k) / old.scale(k) } else { 1.0 };
        let factors = collected((0..outputs).map(factor), WHAT)?;
        let of_gradients = self.rule().moments_are_of_gradients();
        self.layers.iter_mut().try_for_each(|layer| layer.weights.unshare())?;
        let (last, hidden) = self.layers.split_last_mut().expect("internal: a network has layers");
        if of_gradients {
            // The loss is in these units as well, so it changes with their square, and so do its
            // gradients by what comes before; here divided by the weight's own change.
            let logarithms: f64 = factors.iter().map(|f: &f64| f.ln()).sum();
            let moment = (2.0 * logarithms / outputs as f64).exp();
            hidden.iter_mut().for_each(|layer| layer.rescale_moments(par, moment));
        }
        let rescale = |k: usize, _| Rescale { factor: factors[k], moment: factors[k] };
        last.rescale(par, rescale);
        let biases = last.biases_mut();
        for (k, &factor) in factors.iter().enumerate() {
            let second = biases.second.get_mut(k);
            let rescale = Rescale { factor, moment: factor };
            rescale.apply(&mut biases.values[k], &mut biases.momentum[k], second);
            let moved = (old.mean()[k] - new.mean()[k]) * new.scale(k);
            biases.values[k] = (f64::from(biases.values[k]) + moved) as f32;
        }
        self.units = Some(new);
        Ok(())
    }
}

impl UpdateKind {
    /// Whether its moments are means of gradients, not a velocity of the parameters.
    fn moments_are_of_gradients(self) -> bool {
        match self {
            UpdateKind::Sgd => false,
            UpdateKind::Adam | UpdateKind::Lion => true,
        }
    }

    /// A learning rate at which networks of standardised samples are trained.
    fn usual_rate(self) -> f64 {
        match self {
            UpdateKind::Sgd => 0.02,
            UpdateKind::Adam => 0.001,
            UpdateKind::Lion => 0.0001,
        }
    }
}

impl Layer {
    /// The mean square of the weights of each input, (n_in,).
    fn squares_of_inputs(&self) -> Result<Vec<f64>> {
        let mut squares = filled(self.weights.n_cols(), (0.0f64, 0u32), WHAT)?;
        let entries = self.weights.pattern().indices().iter().zip(self.weights.data());
        for (&i, &w) in entries {
            let (sum, count) = &mut squares[i as usize];
            (*sum, *count) = (*sum + f64::from(w).powi(2), *count + 1);
        }
        collected(squares.into_iter().map(|(sum, count)| sum / f64::from(count.max(1))), WHAT)
    }

    /// Adds to each bias the sum of its weights times the shifts of their inputs, (n_in,).
    fn shift_biases(&mut self, par: &Par, shifts: &[f64]) {
        let (pattern, weights) = (self.weights.pattern(), self.weights.data());
        par.for_rows(
            0..pattern.n_rows(),
            GRAIN,
            &mut self.bias[..],
            |r| pattern.indptr()[r],
            |bias, range, mid| bias.split_at_mut(mid - range.start),
            |rows, bias| {
                for (bias, r) in bias.iter_mut().zip(rows) {
                    let entries = pattern.indptr()[r]..pattern.indptr()[r + 1];
                    let pairs = pattern.row(r).iter().zip(&weights[entries]);
                    let sum: f64 = pairs.map(|(&i, &w)| f64::from(w) * shifts[i as usize]).sum();
                    if sum != 0.0 {
                        *bias = (f64::from(*bias) + sum) as f32;
                    }
                }
            },
        );
    }

    /// Changes the unit of the moments of all parameters.
    fn rescale_moments(&mut self, par: &Par, moment: f64) {
        self.rescale(par, |_, _| Rescale { factor: 1.0, moment });
        let biases = self.biases_mut();
        for (k, value) in biases.values.iter_mut().enumerate() {
            let second = biases.second.get_mut(k);
            Rescale { factor: 1.0, moment }.apply(value, &mut biases.momentum[k], second);
        }
    }

    /// Changes the units of the weights; `rescale` is given the row and the column of each.
    fn rescale(&mut self, par: &Par, rescale: impl Fn(usize, usize) -> Rescale + Sync) {
        let (pattern, parameters) = self.weights_mut();
        let offset = |r: usize| pattern.indptr()[r];
        par.for_rows(
            0..pattern.n_rows(),
            GRAIN,
            (parameters.values, &mut parameters.momentum[..], &mut parameters.second[..]),
            offset,
            |(w, m, s): (&mut [f32], &mut [f32], &mut [f32]), range, mid| {
                let at = offset(mid) - offset(range.start);
                let ((w, w_right), (m, m_right)) = (w.split_at_mut(at), m.split_at_mut(at));
                let (s, s_right) = s.split_at_mut(at.min(s.len()));
                ((w, m, s), (w_right, m_right, s_right))
            },
            |rows, (w, m, s)| {
                let start = offset(rows.start);
                for r in rows {
                    for (k, &column) in (offset(r) - start..).zip(pattern.row(r)) {
                        let rescale = rescale(r, column as usize);
                        rescale.apply(&mut w[k], &mut m[k], s.get_mut(k));
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Config, Standardize};
    use super::super::loss::Loss;
    use super::super::statistics::Table;
    use super::*;
    use crate::csr::Csr;

    fn moments(values: &[f64], columns: usize) -> Moments {
        Moments::of(&Par::seq(), Table { values, columns, weights: None }, "x").unwrap()
    }

    /// One layer with the weights (outputs, inputs); momentum and biases that are not 0.
    fn network(weights: &[f32], outputs: usize) -> Mlp {
        let inputs = weights.len() / outputs;
        let indptr = (0..=outputs).map(|r| r * inputs).collect();
        let indices = (0..inputs as u32).collect::<Vec<_>>().repeat(outputs);
        let csr = Csr::new(inputs, indptr, indices, weights.to_vec()).unwrap();
        let mut layer = Layer::with_bias(csr, vec![0.5; outputs]).unwrap();
        layer.momentum.fill(1.0);
        let config = Config {
            loss: Loss::SquaredError,
            standardize: Standardize::All,
            standardize_targets: true,
            ..Config::plain(vec![inputs, outputs])
        };
        Mlp::from_layers(config, vec![layer]).unwrap()
    }

    /// What the network answers, in f64 and in the units of targets.
    fn answer(model: &Mlp, x: &[f64]) -> Vec<f64> {
        let (layer, s) = (&model.layers()[0], model.standardizer().unwrap());
        let answer = |r: usize| {
            let row = &layer.weights().data()[r * x.len()..][..x.len()];
            let lane = |i: usize| f64::from(s.apply(i, x[i]));
            let sum: f64 = (0..x.len()).map(|i| f64::from(row[i]) * lane(i)).sum();
            let z = sum + f64::from(layer.bias()[r]);
            model.units().map_or(z, |u| z / u.scale(r) + u.mean()[r])
        };
        (0..layer.bias().len()).map(answer).collect()
    }

    #[test]
    fn answers_stay_where_they_were() {
        let mut model = network(&[0.3, -0.2, 0.7, 0.1, 0.4, -0.6], 2);
        let par = Par::seq();
        model.follow_inputs(&par, &moments(&[1e6, 2.0, 3.0, 1e6 + 9.0, 5.0, 8.0], 3), 0.0).unwrap();
        model.follow_targets(&par, &moments(&[100.0, 1.0, 300.0, 4.0], 2)).unwrap();
        let more: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 11)).collect();
        model.follow_inputs(&par, &moments(&more, 3), 0.0).unwrap();
        model.follow_targets(&par, &moments(&more, 2)).unwrap();
        let sample = [1e6 + 3.0, 4.0, 5.0];
        let before = answer(&model, &sample);
        model.follow_inputs(&par, &moments(&[1e6 + 90.0, -7.0, 3.0], 3), 0.0).unwrap();
        model.follow_targets(&par, &moments(&[9000.0, -3.0], 2)).unwrap();
        for (before, now) in before.iter().zip(answer(&model, &sample)) {
            assert!((before - now).abs() < 1e-4 * before.abs().max(1.0), "{before} {now}");
        }
        let first = &model.layers()[0];
        let ratio = |k: usize| first.momentum()[k] / first.weights().data()[k];
        assert!((ratio(0) - 1.0 / 0.3).abs() < 1e-4, "a velocity changes as its weight");
    }

    #[test]
    fn answers_move_only_where_a_step_would_explode() {
        let moved = |rate: f64| {
            let mut model = network(&[0.3, -0.2], 1);
            let few: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 11)).collect();
            model.follow_inputs(&Par::seq(), &moments(&few, 2), rate).unwrap();
            let before = answer(&model, &[4.0, 5.0])[0];
            let far: Vec<f64> = few.iter().map(|x| 100.0 * x).collect();
            model.follow_inputs(&Par::seq(), &moments(&far, 2), rate).unwrap();
            ((answer(&model, &[4.0, 5.0])[0] - before).abs(), model.layers()[0].weights().data()[0])
        };
        let ((stays, lifted), (moves, shrunk)) = (moved(0.0), moved(0.1));
        assert!(stays < 1e-4 && lifted > 10.0, "{stays} {lifted}");
        assert!(moves > 0.01 && shrunk < 0.01, "{moves} {shrunk}");
    }

    #[test]
    fn a_feature_that_had_one_value_begins_to_count() {
        let mut model = network(&[0.3, -0.2], 1);
        let par = Par::seq();
        model.follow_inputs(&par, &moments(&[7.0, 1.0, 7.0, 2.0], 2), 0.01).unwrap();
        assert_eq!(answer(&model, &[7.0, 1.5]), answer(&model, &[99.0, 1.5]));
        let before = answer(&model, &[7.0, 1.5]);
        model.follow_inputs(&par, &moments(&[107.0, 1.0, 107.0, 2.0], 2), 0.01).unwrap();
        assert!((answer(&model, &[7.0, 1.5])[0] - before[0]).abs() < 1e-6);
        assert_eq!(
            (model.layers()[0].weights().data()[0], model.standardizer().unwrap().scale()[0]),
            (0.3, 0.02)
        );
    }

    #[test]
    fn targets_that_had_one_value_get_their_unit() {
        let mut model = network(&[0.3], 1);
        let par = Par::seq();
        model.follow_inputs(&par, &moments(&[1.0, 2.0], 1), 0.01).unwrap();
        model.follow_targets(&par, &moments(&[1.0, 1.0], 1)).unwrap();
        model.follow_targets(&par, &moments(&[1001.0, -999.0], 1)).unwrap();
        let answer = answer(&model, &[1.5])[0];
        assert!(answer.abs() < 1000.0, "{answer}");
        assert_eq!(model.layers()[0].weights().data(), [0.3]);
    }

    #[test]
    fn moments_of_gradients_change_the_other_way_round() {
        let (mut w, mut m, mut s) = (2.0, 2.0, 2.0);
        let rescale = Rescale { factor: 2.0, moment: 0.5 };
        rescale.apply(&mut w, &mut m, Some(&mut s));
        assert_eq!((w, m, s), (4.0, 1.0, 0.5));
    }

    #[test]
    fn the_same_for_any_number_of_threads() {
        let weights: Vec<f32> = (0..300 * 600).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
        let batch = |seed: usize| -> Vec<f64> {
            (0..600 * 4).map(|i| ((i * 31 + seed) % 101) as f64).collect()
        };
        let followed = |par: &Par| {
            let mut model = network(&weights, 300);
            for seed in [0, 50] {
                model.follow_inputs(par, &moments(&batch(seed), 600), 0.02).unwrap();
            }
            (model.layers()[0].weights().data().to_vec(), model.layers()[0].bias().to_vec())
        };
        assert_eq!(followed(&Par::seq()), followed(&Par::new(3).unwrap()));
    }
}
