//! Steps without a gradient, made up for all at once: an untouched parameter moves on by its momentum
//! and decays, and it ends where step after step would have brought it, up to rounding.
//!
//! Momentum SGD is linear in the weight and its velocity, so n steps are one product with sums and
//! products in float64. Lion's steps are all of one length. Adam's are sums of quotients whose
//! denominators differ little, so a few moments of these, common to all parameters, give the sum; in the
//! first steps of a fit, and with an L1 penalty, steps are replayed one by one until momentum has nothing
//! left to say. What is left then is decay and shrinking, in closed form again.

#![allow(clippy::needless_range_loop)] // an adapter might lose the target features

mod few;
mod quotients;
#[cfg(test)]
mod tests;

use super::flush::{LEAST, flushed};
use super::operands::Parameters;
use super::simd::Simd;
use super::step::{Adam, Lion, Sgd, Step, UpdateRule};
use few::{ARRAY, Few};
use quotients::{Quotients, TERMS};

/// The most steps that are remembered. Parameters must have made up for them by then.
const MOST_IDLE: usize = 4096;

/// Moves that have fallen to this part of what they were are not made any more.
const SPENT: f64 = 1.0 / (1 << 24) as f64;

/// The steps that were made since a moment, and what they do to a parameter without a gradient.
#[derive(Clone, Debug)]
pub struct Idle {
    rule: UpdateRule,
    steps: Vec<Numbers>,
    /// What the last n steps do, number n.
    last: Vec<Last>,
    /// What is left of moments after n steps, number n.
    left: Vec<Left>,
    /// The moves of the last n steps of Adam, number n, as long as there is a momentum.
    adam: Vec<Quotients>,
    /// Those of all steps in which there is one, from each step on that is long enough ago.
    spent: Vec<Quotients>,
    /// Whether `last` depends on n only: all steps had the same numbers.
    uniform: bool,
    /// Whether some step shrinks.
    shrinks: bool,
    /// Whether some step shrinks or decays.
    changes: bool,
    /// Steps until moves are spent.
    replayed: usize,
}

/// What differs from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Numbers {
    rate: f32,
    inverse_root: f32,
    decay: f32,
    shrink: f32,
}

/// What some number of last steps do together.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// What they leave of a weight by decay.
    kept: f64,
    /// How far they move it: by SGD for a velocity of 1 before them, by Lion for a sign of -1.
    moved: f64,
    /// What they take of its magnitude.
    shrunk: f64,
}

/// What is left of moments after some number of steps.
#[derive(Clone, Copy, Debug)]
struct Left {
    momentum: f64,
    second: f64,
    /// Of the root of the second moment.
    root: f64,
}

impl Idle {
    /// No steps yet, of the rule that `step` has.
    pub fn new(step: &Step) -> Self {
        let rule = step.rule;
        // By what each move is shorter than the one before.
        let falls = match coefficients(&rule) {
            (momentum, 0.0) => momentum,
            (momentum, second) => momentum / second.sqrt(),
        };
        let steps = if falls > 0.0 { SPENT.ln() / falls.ln() } else { 1.0 };
        let steps = if falls < 1.0 { steps } else { f64::INFINITY };
        Idle {
            rule,
            steps: Vec::new(),
            last: vec![Last { kept: 1.0, moved: 0.0, shrunk: 0.0 }],
            left: vec![Left { momentum: 1.0, second: 1.0, root: 1.0 }],
            adam: Vec::new(),
            spent: Vec::new(),
            uniform: true,
            shrinks: false,
            changes: false,
            replayed: (steps.ceil() as usize).clamp(1, MOST_IDLE),
        }
    }

    /// Whether a step is of the rule of the others and there is room for it.
    pub fn takes(&self, step: &Step) -> bool {
        let same = match (self.rule, step.rule) {
            (UpdateRule::Sgd(a), UpdateRule::Sgd(b)) => {
                a.momentum == b.momentum && a.nesterov == b.nesterov
            }
            (UpdateRule::Adam(a), UpdateRule::Adam(b)) => {
                [a.beta_1, a.beta_2, a.epsilon] == [b.beta_1, b.beta_2, b.epsilon]
            }
            (UpdateRule::Lion(a), UpdateRule::Lion(b)) => {
                [a.beta_1, a.beta_2] == [b.beta_1, b.beta_2]
            }
            _ => false,
        };
        same && !self.is_full()
    }

    /// Whether there is no room for another step.
    pub fn is_full(&self) -> bool {
        self.steps.len() >= MOST_IDLE
    }

    /// The number of steps.
    pub fn steps(&self) -> u32 {
        self.steps.len() as u32
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let quotients = size_of_val(&self.adam[..]) + size_of_val(&self.spent[..]);
        let by_lag = size_of_val(&self.last[..]) + size_of_val(&self.left[..]);
        size_of_val(&self.steps[..]) + by_lag + quotients
    }

    /// Remembers a step.
    ///
    /// # Panics
    /// If it is of another rule, or there is no room for it.
    pub fn push(&mut self, step: &Step) {
        assert!(self.takes(step), "internal: a step of another rule, or too many");
        let inverse_root = match step.rule {
            UpdateRule::Adam(Adam { inverse_root, .. }) => inverse_root,
            UpdateRule::Sgd(_) | UpdateRule::Lion(_) => 1.0,
        };
        let Step { rate, decay, shrink, .. } = *step;
        let numbers = Numbers { rate, inverse_root, decay, shrink };
        let first = *self.steps.first().unwrap_or(&numbers);
        self.uniform &= first.decay == decay && first.shrink == shrink;
        self.uniform &= first.rate == rate || !matches!(self.rule, UpdateRule::Lion(_));
        self.shrinks |= shrink > 0.0;
        self.changes |= shrink > 0.0 || decay > 0.0;
        self.steps.push(numbers);
        let (momentum, second) = coefficients(&self.rule);
        let left = self.left[self.left.len() - 1];
        self.left.push(Left {
            momentum: left.momentum * momentum,
            second: left.second * second,
            root: left.root * second.sqrt(),
        });
        if !self.uniform {
            self.last.truncate(1);
        }
        for n in self.last.len()..=self.steps.len() {
            let earliest = self.steps[self.steps.len() - n];
            self.last.push(self.one_more(self.last[n - 1], earliest));
        }
        if let UpdateRule::Adam(Adam { beta_1, beta_2, .. }) = self.rule {
            self.sum_quotients(beta_1.into(), f64::from(beta_2).sqrt());
        }
    }

    /// Sums the moves of Adam in the last steps.
    fn sum_quotients(&mut self, momentum: f64, root: f64) {
        self.adam.clear();
        self.adam.push(Quotients::NONE);
        let mut raw = [0.0f64; TERMS];
        let most = self.steps.len().min(self.replayed);
        for n in 1..=most {
            let step = self.steps[self.steps.len() - n];
            let mut own = f64::from(step.rate) * self.last[n - 1].kept;
            let mut left = momentum;
            for raw in &mut raw {
                *raw = left * (own + *raw);
                own *= f64::from(step.inverse_root);
                left *= root;
            }
            self.adam.push(Quotients::of(&raw));
        }
        if most == self.replayed {
            self.spent.push(self.adam[most]);
        }
    }

    /// What one step and then the last ones do.
    fn one_more(&self, last: Last, step: Numbers) -> Last {
        let moved = match self.rule {
            UpdateRule::Sgd(Sgd { momentum, .. }) => f64::from(momentum) * (last.kept + last.moved),
            UpdateRule::Adam(_) => 0.0,
            UpdateRule::Lion(_) => last.moved + f64::from(step.rate) * last.kept,
        };
        Last {
            kept: last.kept * (1.0 - f64::from(step.decay)),
            moved,
            shrunk: last.shrunk + f64::from(step.shrink) * last.kept,
        }
    }

    /// Makes the steps from number `from` on of the first `count` parameters, which had no gradient in any
    /// of them. Those behind them stay.
    #[inline(always)]
    pub fn settle<S: Simd>(
        &self,
        simd: S,
        from: u32,
        count: usize,
        parameters: &mut Parameters<'_>,
    ) {
        let (from, n) = (from as usize, self.steps.len() - from as usize);
        if n == 0 {
            return;
        }
        let parameters = &mut Few { count, parameters };
        match &self.rule {
            UpdateRule::Sgd(rule) if !self.shrinks => self.settle_sgd(simd, rule, n, parameters),
            UpdateRule::Sgd(rule) => {
                let ahead = if rule.nesterov { rule.momentum } else { 1.0 };
                self.by_arrays(simd, [from, n], parameters, |replay, w, v, _| {
                    replay.each(w, |k, i| v[i] * (self.left[k].momentum as f32 * ahead));
                });
            }
            UpdateRule::Adam(rule) if !self.shrinks && self.is_sound(rule, from, n) => {
                self.settle_adam(simd, rule, [from, n], parameters);
            }
            UpdateRule::Adam(rule) => {
                self.by_arrays(simd, [from, n], parameters, |replay, w, v, s| {
                    let mut root = *s;
                    for i in 0..ARRAY {
                        root[i] = s[i].sqrt();
                    }
                    replay.each_of(w, |k, step| {
                        let left = self.left[k];
                        let pull = -step.rate * left.momentum as f32;
                        let spread = step.inverse_root * left.root as f32;
                        let mut moves = [0.0; ARRAY];
                        for i in 0..ARRAY {
                            moves[i] = pull * v[i] / root[i].mul_add(spread, rule.epsilon);
                        }
                        moves
                    });
                });
            }
            UpdateRule::Lion(rule) if !self.shrinks => self.settle_lion(rule, n, parameters),
            UpdateRule::Lion(rule) => {
                self.by_arrays(simd, [from, n], parameters, |replay, w, v, _| {
                    replay.all().each_of(w, |k, step| {
                        let before = self.left[k - 1].momentum as f32;
                        let mut moves = [0.0; ARRAY];
                        for i in 0..ARRAY {
                            moves[i] = -step.rate * sign(rule.beta_1 * (v[i] * before));
                        }
                        moves
                    });
                });
            }
        }
    }

    #[inline(always)]
    fn settle_sgd<S: Simd>(&self, simd: S, rule: &Sgd, n: usize, parameters: &mut Few<'_, '_>) {
        let Last { kept, moved, .. } = self.last[n];
        let ahead = if rule.nesterov { f64::from(rule.momentum) } else { 1.0 };
        let (moved, left) = (moved * ahead, self.left[n].momentum);
        parameters.each_array(simd, |w, v, _, _| {
            for i in 0..ARRAY {
                let (old, velocity) = (f64::from(w[i]), f64::from(v[i]));
                w[i] = flushed((kept * old + moved * velocity) as f32);
                v[i] = flushed((left * velocity) as f32);
            }
        });
    }

    /// Whether the series can give the moves: its numbers must be finite where a second moment is 0, too.
    fn is_sound(&self, rule: &Adam, from: usize, n: usize) -> bool {
        (1.0 / rule.epsilon).is_finite() && self.quotients(from, n).sound
    }

    /// The sum of Adam's moves in `n` steps from number `from` on.
    #[inline(always)]
    fn quotients(&self, from: usize, n: usize) -> &Quotients {
        if n <= self.replayed { &self.adam[n] } else { &self.spent[from] }
    }

    #[inline(always)]
    fn settle_adam<S: Simd>(
        &self,
        simd: S,
        rule: &Adam,
        [from, n]: [usize; 2],
        parameters: &mut Few<'_, '_>,
    ) {
        let Quotients { sum, mean, powers, .. } = *self.quotients(from, n);
        let Left { momentum, second, .. } = self.left[n];
        let (momentum, second) = (momentum as f32, second as f32);
        // The moves of steps long ago have decayed since.
        let sum = sum * self.last[n.saturating_sub(self.replayed)].kept as f32;
        let kept = self.last[n].kept as f32;
        parameters.each_array(simd, |w, v, s, _| {
            for i in 0..ARRAY {
                let spread = s[i].sqrt() * mean;
                let inverse = 1.0 / (spread + rule.epsilon);
                // An infinite second moment lets nothing move.
                let x = if inverse == 0.0 { 0.0 } else { spread * inverse };
                let mut series = powers[TERMS - 3];
                for term in (0..TERMS - 3).rev() {
                    series = (-x).mul_add(series, powers[term]);
                }
                let series = (x * x).mul_add(series, 1.0);
                let moved = sum * v[i] * inverse * series;
                w[i] = flushed(kept.mul_add(w[i], -moved));
                v[i] = flushed(v[i] * momentum);
                s[i] = flushed(s[i] * second);
            }
        });
    }

    #[inline(always)]
    fn settle_lion(&self, rule: &Lion, n: usize, parameters: &mut Few<'_, '_>) {
        let Last { kept, moved, .. } = self.last[n];
        let Few { count, parameters: Parameters { values, momentum, .. } } = parameters;
        for (w, v) in values[..*count].iter_mut().zip(&mut momentum[..*count]) {
            // The sign counts as long as there is a momentum, which is 0 from some step on.
            let there = |left: &Left| sign(rule.beta_1 * (*v * left.momentum as f32)) != 0.0;
            let gone = match there(&self.left[n - 1]) {
                true => 0,
                false => n - self.left[..n].partition_point(there),
            };
            let moved = moved - self.last[gone].moved;
            *w = flushed((kept * f64::from(*w) - moved * f64::from(sign(*v))) as f32);
            *v = flushed((self.left[n].momentum * f64::from(*v)) as f32);
        }
    }

    /// Replays the moves of arrays of parameters, then closes the steps that are left.
    #[inline(always)]
    fn by_arrays<S: Simd>(
        &self,
        simd: S,
        [from, n]: [usize; 2],
        parameters: &mut Few<'_, '_>,
        replay: impl Fn(Replay<'_>, &mut [f32; ARRAY], &[f32; ARRAY], &[f32; ARRAY]),
    ) {
        let Left { momentum, second, .. } = self.left[n];
        let (momentum, second) = (momentum as f32, second as f32);
        parameters.each_array(simd, |w, v, s, n_here| {
            let mut still = true;
            for i in 0..ARRAY {
                still &= v[i] == 0.0 || i >= n_here;
            }
            if !still || self.changes {
                let replayed = if still { 0 } else { n.min(self.replayed) };
                let mut closing = Replay { idle: self, from, n, replayed, closes: true };
                if !still {
                    closing.closes = !matches!(self.rule, UpdateRule::Lion(_));
                    replay(closing, w, v, s);
                }
                if closing.closes {
                    self.close(n - replayed, w);
                }
            }
            for i in 0..ARRAY {
                (w[i], v[i], s[i]) =
                    (flushed(w[i]), flushed(v[i] * momentum), flushed(s[i] * second));
            }
        });
    }

    /// The decay and the shrinking of the last `n` steps of weights that do not move otherwise.
    #[inline(always)]
    fn close(&self, n: usize, w: &mut [f32; ARRAY]) {
        if n == 0 || !self.changes {
            return;
        }
        let Last { kept, shrunk, .. } = self.last[n];
        for w in w {
            let left = kept * f64::from(w.abs()) - shrunk;
            *w = if left < 0.0 { 0.0 } else { (left as f32).copysign(*w) };
        }
    }
}

/// The steps that are replayed: `replayed` of `n` steps from number `from` on.
#[derive(Clone, Copy)]
struct Replay<'a> {
    idle: &'a Idle,
    from: usize,
    n: usize,
    replayed: usize,
    closes: bool,
}

impl Replay<'_> {
    /// The same of all steps.
    #[inline(always)]
    fn all(self) -> Self {
        Replay { replayed: self.n, ..self }
    }

    /// Moves weights step by step; `moves(k, i)` is the move of weight i in the k-th step from 1.
    #[inline(always)]
    fn each(self, w: &mut [f32; ARRAY], moves: impl Fn(usize, usize) -> f32) {
        self.each_of(w, |k, _| {
            let mut all = [0.0; ARRAY];
            for i in 0..ARRAY {
                all[i] = moves(k, i);
            }
            all
        });
    }

    /// The same with the moves of all weights and the numbers of the step.
    #[inline(always)]
    fn each_of(self, w: &mut [f32; ARRAY], moves: impl Fn(usize, Numbers) -> [f32; ARRAY]) {
        let steps = &self.idle.steps[self.from..][..self.replayed];
        let mut own = *w;
        if self.idle.changes {
            for k in 0..steps.len() {
                let (step, moves) = (steps[k], moves(k + 1, steps[k]));
                for i in 0..ARRAY {
                    let new = (-step.decay).mul_add(own[i], own[i] + moves[i]);
                    let left = new.abs() - step.shrink;
                    own[i] = if left < 0.0 { 0.0 } else { left.copysign(new) };
                }
            }
        } else {
            for k in 0..steps.len() {
                let moves = moves(k + 1, steps[k]);
                for i in 0..ARRAY {
                    own[i] += moves[i];
                }
            }
        }
        *w = own;
    }
}

/// What one step leaves of a momentum and of a second moment.
fn coefficients(rule: &UpdateRule) -> (f64, f64) {
    match rule {
        UpdateRule::Sgd(sgd) => (sgd.momentum.into(), 0.0),
        UpdateRule::Adam(adam) => (adam.beta_1.into(), adam.beta_2.into()),
        UpdateRule::Lion(lion) => (lion.beta_2.into(), 0.0),
    }
}

/// The sign, 0 for what counts as 0, and NaN for NaN.
#[inline(always)]
fn sign(value: f32) -> f32 {
    if value.is_nan() {
        value
    } else if value.abs() < LEAST {
        0.0
    } else {
        1.0f32.copysign(value)
    }
}
