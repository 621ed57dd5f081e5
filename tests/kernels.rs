//! Every kernel against a naive twin that does the same IEEE operations one by one: the bits must
//! agree, for any structure, batch and number of threads.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use trulysparse::csr::{Csr, Transpose};
use trulysparse::kernels::{
    self, Adam, Backward, Batch, BatchMut, Biases, Forward, LANES, Linear, Lion, Map, Mask,
    Outputs, Parameters, Record, Sgd, Step, Transposed, UpdateRule, stride, words,
};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream};

/// Any matrix: also with empty rows, full rows, empty columns, or no entries.
fn matrix() -> impl Strategy<Value = Csr> {
    (1usize..14, 1usize..14, 0usize..5).prop_flat_map(|(n_in, n_out, kind)| {
        let density = [0.0, 0.1, 0.4, 0.9, 1.0][kind];
        (
            prop::collection::vec(
                prop::collection::vec(prop::bool::weighted(density), n_in),
                n_out,
            ),
            prop::collection::vec(value(), n_in * n_out),
        )
            .prop_map(move |(cells, values)| {
                let (mut indptr, mut indices) = (vec![0], Vec::new());
                for row in &cells {
                    indices.extend((0..n_in as u32).filter(|&c| row[c as usize]));
                    indptr.push(indices.len());
                }
                let data = values[..indices.len()].to_vec();
                Csr::new(n_in, indptr, indices, data).unwrap()
            })
    })
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![4 => -2.0f32..2.0, 1 => Just(0.0), 1 => Just(-0.0), 1 => Just(1e-41), 1 => -1e10f32..1e10]
}

/// A feature-major batch with zeros in its padding lanes.
fn batch(rows: usize, batch: usize, seed: u64) -> Vec<f32> {
    let (stride, stream) = (stride(batch), Stream::new(seed, Purpose::Weights, 0, 0));
    (0..rows * stride)
        .map(|i| {
            if i % stride < batch { trulysparse::rng::symmetric(stream.at(i as u64)) } else { 0.0 }
        })
        .collect()
}

fn rules() -> impl Strategy<Value = UpdateRule> {
    let sgd = prop::bool::ANY.prop_map(|nesterov| UpdateRule::Sgd(Sgd { momentum: 0.9, nesterov }));
    prop_oneof![sgd, Just(ADAM), Just(LION)]
}

const ADAM: UpdateRule =
    UpdateRule::Adam(Adam { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, inverse_root: 1.5 });

const LION: UpdateRule = UpdateRule::Lion(Lion { beta_1: 0.9, beta_2: 0.99 });

proptest! {
    /// Against the formulas one by one, with any finite gradients and means: zeros of both signs,
    /// denormal and huge ones.
    #[test]
    fn lion_moves_by_the_rate_along_a_sign(
        numbers in prop::collection::vec((any_finite(), any_finite(), value()), 1..70),
        threads in 1usize..4,
    ) {
        let (beta_1, beta_2, rate, decay) = (0.9f32, 0.99f32, 0.125f32, 0.0625f32);
        let rule = UpdateRule::Lion(Lion { beta_1, beta_2 });
        let step = Step { rule, rate, decay, inverse_batch: 1.0, shrink: 0.0 };
        let gradients: Vec<_> = numbers.iter().map(|(g, ..)| *g).collect();
        let mut momentum: Vec<_> = numbers.iter().map(|(_, m, _)| *m).collect();
        let mut values: Vec<_> = numbers.iter().map(|(.., w)| *w).collect();
        let parameters =
            Parameters { values: &mut values, momentum: &mut momentum, second: &mut [] };
        let par = Par::new(threads).unwrap();
        kernels::spend_stored(&par, &[&gradients], &step, parameters);
        for (i, (g, m, w)) in numbers.into_iter().enumerate() {
            let mean = |beta: f32| kernels::flushed(beta.mul_add(m, (1.0 - beta) * g));
            let sign = mean(beta_1).partial_cmp(&0.0).unwrap() as i8;
            prop_assert_eq!(momentum[i].to_bits(), mean(beta_2).to_bits());
            let expected = (-decay).mul_add(w, w - rate * f32::from(sign));
            prop_assert_eq!(values[i], kernels::flushed(expected), "{} {} {}", g, m, w);
        }
    }
}

/// Finite numbers of either sign, all magnitudes alike, and many denormal ones.
fn any_finite() -> impl Strategy<Value = f32> {
    let magnitude = prop_oneof![0u32..0x0080_0000, 0u32..0x7f80_0000, Just(0), Just(1)];
    (magnitude, any::<bool>())
        .prop_map(|(bits, negative)| f32::from_bits(bits | u32::from(negative) << 31))
}

/// Second moments, if the rule keeps some.
fn squares(n: usize, seed: u64, rule: UpdateRule) -> Vec<f32> {
    let keeps = matches!(rule, UpdateRule::Adam(_));
    let values = batch(if keeps { n } else { 0 }, 1, seed ^ 5);
    values.iter().map(|v| v * v).collect()
}

fn batches() -> impl Strategy<Value = usize> {
    prop_oneof![1usize..40, Just(64), Just(100), Just(128), Just(129), Just(260)]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn naive_spmm(w: &Csr, x: &[f32], stride: usize, bias: &[f32]) -> Vec<f32> {
    let p = w.pattern();
    let mut y = vec![0.0; w.n_rows() * stride];
    for r in 0..w.n_rows() {
        for b in 0..stride {
            let mut acc = bias[r];
            for k in p.indptr()[r]..p.indptr()[r + 1] {
                acc = w.data()[k].mul_add(x[p.indices()[k] as usize * stride + b], acc);
            }
            y[r * stride + b] = acc;
        }
    }
    y
}

/// Sixteen lanes, reduced as documented.
fn naive_dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        lanes[i % LANES] = a.mul_add(*b, lanes[i % LANES]);
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}

fn naive_sddmm(w: &Csr, dy: &[f32], x: &[f32], stride: usize) -> Vec<f32> {
    let p = w.pattern();
    (0..w.n_rows())
        .flat_map(|r| p.row(r).iter().map(move |&c| (r, c as usize)))
        .map(|(r, c)| naive_dot(&dy[r * stride..][..stride], &x[c * stride..][..stride]))
        .collect()
}

fn naive_spmm_transpose(w: &Csr, dy: &[f32], stride: usize) -> Vec<f32> {
    let p = w.pattern();
    let mut dx = vec![0.0f32; w.n_cols() * stride];
    for r in 0..w.n_rows() {
        for k in p.indptr()[r]..p.indptr()[r + 1] {
            for lane in 0..stride {
                let acc = &mut dx[p.indices()[k] as usize * stride + lane];
                *acc = w.data()[k].mul_add(dy[r * stride + lane], *acc);
            }
        }
    }
    dx
}

fn lanes(values: &[f32], stride: usize) -> Batch<'_> {
    Batch { values, stride }
}

fn lanes_mut(values: &mut [f32], stride: usize) -> BatchMut<'_> {
    BatchMut { values, stride }
}

fn by_columns<'a>(w: &'a Csr, index: &'a Transpose) -> Transposed<'a> {
    Transposed { index, data: w.data() }
}

fn linear<'a>(w: &'a Csr, bias: &'a [f32]) -> Linear<'a> {
    Linear { weights: w.into(), bias }
}

fn spmm(par: &Par, w: &Csr, x: &[f32], bias: &[f32], y: &mut [f32]) {
    let stride = y.len() / w.n_rows();
    kernels::spmm(par, linear(w, bias), lanes(x, stride), lanes_mut(y, stride));
}

fn spmm_transpose(par: &Par, w: Transposed<'_>, dy: &[f32], stride: usize, dx: &mut [f32]) {
    kernels::spmm_transpose(par, w, lanes(dy, stride), lanes_mut(dx, stride));
}

fn scatter(par: &Par, w: &Csr, dy: &[f32], stride: usize, dx: &mut [f32]) {
    let (dy, dx) = (lanes(dy, stride), lanes_mut(dx, stride));
    let linear = Backward::of(Map::Identity);
    kernels::spmm_transpose_scatter(par, w.into(), dy, &linear, dx, None);
}

proptest! {
    #[test]
    fn spmm_is_naive(w in matrix(), b in batches(), seed: u64) {
        let s = stride(b);
        let (x, bias) = (batch(w.n_cols(), b, seed), batch(w.n_rows(), 1, seed ^ 1));
        let mut y = vec![f32::NAN; w.n_rows() * s];
        spmm(&Par::seq(), &w, &x, &bias, &mut y);
        prop_assert_eq!(bits(&y), bits(&naive_spmm(&w, &x, s, &bias)));
    }

    #[test]
    fn biases_step_on_the_way_as_they_do_alone(
        w in matrix(), b in batches(), seed: u64, threads in 1usize..4, rule in rules(),
    ) {
        let (s, n) = (stride(b), w.n_cols());
        let dy = batch(w.n_rows(), b, seed);
        let step = Step {
            rule, rate: 0.1, decay: 0.01, inverse_batch: 1.0 / b as f32, shrink: 0.0,
        };
        let par = Par::new(threads).unwrap();
        let signs: Vec<u16> = (0..n * words(s)).map(|i| ((i as u64 * 40_503) ^ seed) as u16).collect();
        let backward = Backward { signs: &signs, ..Backward::of(Map::Slope(-0.6)) };
        let index = Transpose::new(&par, w.pattern()).unwrap();
        let run = |together: bool, scattered: bool| {
            let mut dx = vec![f32::NAN; n * s];
            let (mut bias, mut momentum) = (batch(n, 1, seed ^ 1), batch(n, 1, seed ^ 2));
            let mut second = squares(n, seed, rule);
            let mut biases = Some(Biases {
                step,
                parameters: Parameters {
                    values: &mut bias, momentum: &mut momentum, second: &mut second,
                },
            });
            let on_the_way = if together { biases.take() } else { None };
            let (dy, out) = (lanes(&dy, s), lanes_mut(&mut dx, s));
            if scattered {
                let w = (&w).into();
                kernels::spmm_transpose_scatter(&par, w, dy, &backward, out, on_the_way);
            } else {
                let w = by_columns(&w, &index);
                kernels::spmm_transpose_derive(&par, w, dy, &backward, out, on_the_way);
            }
            if let Some(biases) = biases {
                kernels::bias_update(&Par::seq(), lanes(&dx, s), biases);
            }
            (bits(&dx), bits(&bias), bits(&momentum), bits(&second))
        };
        let alone = run(false, false);
        prop_assert_eq!(&run(true, false), &alone);
        prop_assert_eq!(&run(true, true), &alone);
    }

    #[test]
    fn spmm_transpose_is_naive(w in matrix(), b in batches(), seed: u64) {
        let s = stride(b);
        let dy = batch(w.n_rows(), b, seed);
        let mut dx = vec![f32::NAN; w.n_cols() * s];
        let index = Transpose::new(&Par::seq(), w.pattern()).unwrap();
        spmm_transpose(&Par::seq(), by_columns(&w, &index), &dy, s, &mut dx);
        prop_assert_eq!(bits(&dx), bits(&naive_spmm_transpose(&w, &dy, s)));
        let mut scattered = vec![f32::NAN; w.n_cols() * s];
        scatter(&Par::seq(), &w, &dy, s, &mut scattered);
        prop_assert_eq!(bits(&scattered), bits(&dx));
    }

    #[test]
    fn sddmm_is_naive_and_its_update_too(
        w in matrix(), b in batches(), seed: u64, decay in 0.0f32..0.1,
        shrink in prop_oneof![Just(0.0), 0.0f32..0.1], rule in rules(),
    ) {
        let s = stride(b);
        let (x, dy) = (batch(w.n_cols(), b, seed), batch(w.n_rows(), b, seed ^ 1));
        let mut grad = vec![f32::NAN; w.nnz()];
        kernels::sddmm(&Par::seq(), w.pattern(), lanes(&dy, s), lanes(&x, s), &mut grad);
        // Sums that cancel to zero may differ in its sign only, where narrow lanes meet no zeros.
        prop_assert_eq!(&grad, &naive_sddmm(&w, &dy, &x, s));

        let step = Step { rule, rate: 0.1, decay, inverse_batch: 1.0 / b as f32, shrink };
        let mut fused = (w.clone(), batch(w.nnz(), 1, seed ^ 2), squares(w.nnz(), seed, rule));
        let mut plain = (w.data().to_vec(), fused.1.clone(), fused.2.clone());
        let (pattern, data) = fused.0.pattern_and_data_mut();
        let parameters =
            Parameters { values: data, momentum: &mut fused.1, second: &mut fused.2 };
        let (dy, x) = (lanes(&dy, s), lanes(&x, s));
        kernels::sddmm_update(&Par::seq(), pattern, dy, x, &step, parameters);
        let (values, momentum, second) = (&mut plain.0[..], &mut plain.1[..], &mut plain.2[..]);
        let mut parameters = Parameters { values, momentum, second };
        for (k, &g) in grad.iter().enumerate() {
            step.spend_at(g, k, &mut parameters);
        }
        prop_assert_eq!(bits(fused.0.data()), bits(&plain.0));
        prop_assert_eq!(bits(&fused.1), bits(&plain.1));
        prop_assert_eq!(bits(&fused.2), bits(&plain.2));
    }

    /// Activation, dropout and derivative, fused against one by one.
    #[test]
    fn fused_passes_are_the_separate_ones(
        w in matrix(), b in batches(), seed: u64, rate in prop_oneof![Just(0.0), 0.05..0.95],
        map in prop_oneof![Just(Map::Identity), (-1.0f32..1.0).prop_map(Map::Slope), Just(Map::Sigmoid), Just(Map::Tanh), Just(Map::Silu), Just(Map::Gelu)],
    ) {
        let s = stride(b);
        let (x, bias) = (batch(w.n_cols(), b, seed), batch(w.n_rows(), 1, seed ^ 1));
        let z = naive_spmm(&w, &x, s, &bias);
        let mask = (rate > 0.0).then(|| Mask::new(Stream::new(seed, Purpose::Dropout, 1, 2), rate));
        let forward = Forward { map, mask, flush: false };
        let mut y = vec![f32::NAN; z.len()];
        let mut signs = vec![0u16; w.n_rows() * words(s)];
        let mut kept = signs.clone();
        let mut saved = vec![f32::NAN; z.len()];
        let record = Record { signs: &mut signs, kept: &mut kept, z: &mut saved };
        let outputs = Outputs { y: lanes_mut(&mut y, s), record };
        kernels::spmm_activate(&Par::seq(), linear(&w, &bias), lanes(&x, s), &forward, outputs);
        let bit = |bits: &[u16], i: usize| bits[i / s * words(s) + i % s / LANES] >> (i % s % LANES) & 1 == 1;
        let scale = mask.map_or(1.0, |m| m.scale());
        let below = |z: f64| 0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
        let smooth = |z: f64| if map == Map::Silu { z / (1.0 + (-z).exp()) } else { z * below(z) };
        let by_differences = |z: f64| match z {
            z if z.abs() > 50.0 => f64::from(u8::from(z > 0.0)),
            z => (smooth(z + 1e-5) - smooth(z - 1e-5)) / 2e-5,
        };
        // Far on the left values are nearly zero, and the bound on the error is absolute.
        let rest = f64::from(scale) * match map {
            Map::Gelu => 1e-6,
            Map::Silu => 1e-35,
            _ => 1e-37,
        };
        for i in 0..z.len() {
            prop_assert_eq!(bit(&signs, i), z[i] > 0.0);
            let exact = f64::from(z[i]);
            let a = match map {
                Map::Identity => exact,
                Map::Slope(slope) => if exact > 0.0 { exact } else { f64::from(slope) * exact },
                Map::Sigmoid => 1.0 / (1.0 + (-exact).exp()),
                Map::Tanh => exact.tanh(),
                Map::Silu => exact / (1.0 + (-exact).exp()),
                Map::Gelu => exact * below(exact),
            };
            let expected = if mask.is_none() || bit(&kept, i) { a * f64::from(scale) } else { 0.0 };
            let error = (f64::from(y[i]) - expected).abs();
            prop_assert!(error <= 1e-6 * expected.abs() + rest, "{} {expected}", y[i]);
        }

        // Backwards through a layer of ones on the diagonal: the derivative alone.
        let n = w.n_rows();
        let eye = Csr::new(n, (0..=n).collect(), (0..n as u32).collect(), vec![1.0; n]).unwrap();
        let index = Transpose::new(&Par::seq(), eye.pattern()).unwrap();
        let dy = batch(n, b, seed ^ 3);
        let mut dx = vec![f32::NAN; dy.len()];
        let mask_scale = mask.map(|m| m.scale());
        let backward = Backward { map, mask_scale, signs: &signs, kept: &kept, output: &y, z: &saved, flush: false };
        let (eye, out) = (by_columns(&eye, &index), lanes_mut(&mut dx, s));
        kernels::spmm_transpose_derive(&Par::seq(), eye, lanes(&dy, s), &backward, out, None);
        for i in 0..z.len() {
            let a = f64::from(y[i]) / f64::from(scale);
            let derivative = match map {
                Map::Identity => 1.0,
                Map::Slope(slope) => if z[i] > 0.0 { 1.0 } else { f64::from(slope) },
                Map::Sigmoid => a * (1.0 - a),
                Map::Tanh => 1.0 - a * a,
                Map::Silu | Map::Gelu => by_differences(f64::from(z[i])),
            };
            let through = if mask.is_none() || bit(&kept, i) { f64::from(scale) * derivative } else { 0.0 };
            let error = (f64::from(dx[i]) - through * f64::from(dy[i])).abs();
            prop_assert!(error <= 1e-5 * f64::from(scale), "{i}");
        }
    }

    /// SReLU and its gradients, a value at a time, for any thresholds: crossed ones, too.
    #[test]
    fn srelu_is_what_it_says(
        n in 1usize..30, b in batches(), seed: u64, rate in prop_oneof![Just(0.0), 0.05..0.95],
        parameters in prop::collection::vec(-1.0f32..1.0, 4 * 30), threads in 1usize..4,
    ) {
        let (s, w, parameters) = (stride(b), words(stride(b)), &parameters[..4 * n]);
        let (z, dy) = (batch(n, b, seed), batch(n, b, seed ^ 1));
        let par = Par::new(threads).unwrap();
        let mask = (rate > 0.0).then(|| Mask::new(Stream::new(seed, Purpose::Dropout, 1, 2), rate));
        let (mut y, mut saved, mut kept) = (z.clone(), vec![f32::NAN; z.len()], vec![0u16; n * w]);
        let record = Record { signs: &mut [], kept: &mut kept, z: &mut saved };
        let outputs = Outputs { y: lanes_mut(&mut y, s), record };
        let forward = Forward { map: Map::Identity, mask, flush: false };
        kernels::srelu(&par, parameters, &forward, outputs);
        prop_assert_eq!(bits(&saved), bits(&z));
        let scale = mask.map(|m| m.scale());
        let bit = |i: usize| kept[i / s * w + i % s / LANES] >> (i % s % LANES) & 1 == 1;
        let through = |i: usize| scale.map_or(1.0, |scale| if bit(i) { scale } else { 0.0 });
        let (mut d, mut gradients) = (dy.clone(), vec![f32::NAN; 4 * n]);
        let backward =
            Backward { z: &saved, mask_scale: scale, kept: &kept, ..Backward::of(Map::Identity) };
        let out = lanes_mut(&mut d, s);
        kernels::srelu_backward(&par, parameters, &backward, out, &mut gradients);
        for row in 0..n {
            let &[lower, below, upper, above] = &parameters[4 * row..][..4] else { unreachable!() };
            let mut sums = [[0.0f32; LANES]; 4];
            for i in row * s..(row + 1) * s {
                let (z, g) = (z[i], if scale.is_some() { dy[i] * through(i) } else { dy[i] });
                let (a, slope, by) = if z >= upper {
                    let by = [None, None, Some(g * (1.0 - above)), Some(g * (z - upper))];
                    (upper + above * (z - upper), above, by)
                } else if z <= lower {
                    let by = [Some(g * (1.0 - below)), Some(g * (z - lower)), None, None];
                    (lower + below * (z - lower), below, by)
                } else {
                    (z, 1.0, [None; 4])
                };
                prop_assert_eq!(kernels::srelu_of(&parameters[4 * row..][..4], z).to_bits(), a.to_bits());
                prop_assert_eq!(y[i], a * through(i));
                prop_assert_eq!(d[i], g * slope);
                for (sums, by) in sums.iter_mut().zip(by) {
                    sums[i % s % LANES] += by.unwrap_or(0.0);
                }
            }
            for (found, mut sums) in gradients[4 * row..].iter().zip(sums) {
                for half in [8, 4, 2, 1] {
                    (0..half).for_each(|i| sums[i] += sums[i + half]);
                }
                prop_assert_eq!(*found, sums[0]);
            }
        }
        // In place and without dropout: what predictions do.
        let mut y = z.clone();
        let alone = Forward { mask: None, ..forward };
        kernels::srelu(&par, parameters, &alone, Outputs::alone(lanes_mut(&mut y, s)));
        for i in 0..z.len() {
            prop_assert_eq!(y[i], kernels::srelu_of(&parameters[4 * (i / s)..][..4], z[i]));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_number_of_threads_gives_the_same_bits(seed: u64, b in prop_oneof![Just(5usize), Just(128)]) {
        // Large enough that work is really split.
        let stream = Stream::new(seed, Purpose::Structure, 0, 0);
        let (indptr, indices) = trulysparse::topology::erdos_renyi(&Par::seq(), 700, 500, 0.2, stream).unwrap();
        let data = batch(indices.len(), 1, seed);
        let w = Csr::new(700, indptr, indices, data).unwrap();
        let s = stride(b);
        let (x, dy, bias) = (batch(700, b, seed ^ 1), batch(500, b, seed ^ 2), batch(500, 1, seed ^ 3));
        let index = Transpose::new(&Par::seq(), w.pattern()).unwrap();
        let run = |par: &Par| {
            let mut out = [vec![0.0; 500 * s], vec![0.0; 700 * s], vec![0.0; w.nnz()]];
            spmm(par, &w, &x, &bias, &mut out[0]);
            spmm_transpose(par, by_columns(&w, &index), &dy, s, &mut out[1]);
            kernels::sddmm(par, w.pattern(), lanes(&dy, s), lanes(&x, s), &mut out[2]);
            let (mut data, mut momentum) = (w.data().to_vec(), batch(w.nnz(), 1, seed ^ 4));
            let mut second = squares(w.nnz(), seed, ADAM);
            let step =
                Step { rule: ADAM, rate: 0.1, decay: 0.01, inverse_batch: 0.2, shrink: 1e-3 };
            let parameters =
                Parameters { values: &mut data, momentum: &mut momentum, second: &mut second };
            let (dy, x) = (lanes(&dy, s), lanes(&x, s));
            kernels::sddmm_update(par, w.pattern(), dy, x, &step, parameters);
            (out.map(|o| bits(&o)), [data, momentum, second].map(|o| bits(&o)))
        };
        let one = run(&Par::seq());
        for threads in [2, 3, 7] {
            prop_assert_eq!(&one, &run(&Par::new(threads).unwrap()));
        }
    }
}

#[test]
fn short_rows_of_many_bytes_do_not_change_the_bits() {
    // Enough rows for results to be written past the caches, and one row too long for a block.
    let (n, seq) = (550_000usize, Par::seq());
    let s = stride(16);
    let structure = Stream::new(3, Purpose::Structure, 0, 0);
    let (indptr, mut indices) =
        trulysparse::topology::erdos_renyi(&seq, n, n, 1.0 / n as f64, structure).unwrap();
    let long: Vec<u32> = (0..n as u32).step_by(100).collect();
    let (at, end) = (indptr[700], indptr[701]);
    indices.splice(at..end, long.iter().copied());
    let grown = long.len() + at - end;
    let indptr = (0..=n).map(|r| indptr[r] + if r > 700 { grown } else { 0 }).collect();
    let data = batch(indices.len(), 1, 4);
    let w = Csr::new(n, indptr, indices, data).unwrap();
    let (x, bias) = (batch(n, 16, 5), batch(n, 1, 7));
    let index = Transpose::new(&seq, w.pattern()).unwrap();
    let par = Par::new(3).unwrap();
    let mut y = vec![f32::NAN; n * s];
    spmm(&par, &w, &x, &bias, &mut y);
    assert!(bits(&y) == bits(&naive_spmm(&w, &x, s, &bias)));
    spmm_transpose(&par, by_columns(&w, &index), &x, s, &mut y);
    assert!(bits(&y) == bits(&naive_spmm_transpose(&w, &x, s)));
    let mut scattered = vec![f32::NAN; n * s];
    scatter(&par, &w, &x, s, &mut scattered);
    assert!(bits(&scattered) == bits(&y));
    let mut grad = vec![f32::NAN; w.nnz()];
    kernels::sddmm(&par, w.pattern(), lanes(&y, s), lanes(&x, s), &mut grad);
    assert!(bits(&grad) == bits(&naive_sddmm(&w, &y, &x, s)));
}

#[test]
fn blocks_of_columns_do_not_change_the_bits() {
    // Activations beyond the first cache in few rows, and beyond the second in many, whose rows are
    // prefetched, of each number of vectors.
    for (n_in, n_out, density, batch_size) in [
        (1500, 70, 0.25, 128),
        (70, 1500, 0.25, 128),
        (1500, 1500, 0.05, 128),
        (12_000, 40, 0.005, 16),
        (6000, 40, 0.01, 32),
        (3600, 60, 0.02, 48),
        (3000, 60, 0.02, 64),
        (800, 70, 0.1, 256),
    ] {
        let (seq, of) = (Par::seq(), format!("{n_in} x {n_out} at batch {batch_size}"));
        let s = stride(batch_size);
        let structure = Stream::new(3, Purpose::Structure, 0, 0);
        let (indptr, indices) =
            trulysparse::topology::erdos_renyi(&seq, n_in, n_out, density, structure).unwrap();
        let data = batch(indices.len(), 1, 4);
        let w = Csr::new(n_in, indptr, indices, data).unwrap();
        let (x, dy, bias) =
            (batch(n_in, batch_size, 5), batch(n_out, batch_size, 6), batch(n_out, 1, 7));
        let index = Transpose::new(&seq, w.pattern()).unwrap();
        let naive = (
            naive_spmm(&w, &x, s, &bias),
            naive_spmm_transpose(&w, &dy, s),
            naive_sddmm(&w, &dy, &x, s),
        );
        for threads in [1, 3] {
            let par = Par::new(threads).unwrap();
            let (mut y, mut dx) = (vec![f32::NAN; n_out * s], vec![f32::NAN; n_in * s]);
            let mut grad = vec![f32::NAN; w.nnz()];
            spmm(&par, &w, &x, &bias, &mut y);
            spmm_transpose(&par, by_columns(&w, &index), &dy, s, &mut dx);
            let mut scattered = vec![f32::NAN; n_in * s];
            scatter(&par, &w, &dy, s, &mut scattered);
            kernels::sddmm(&par, w.pattern(), lanes(&dy, s), lanes(&x, s), &mut grad);
            assert!(bits(&scattered) == bits(&dx), "scatter of {of}");
            assert!(bits(&y) == bits(&naive.0), "spmm of {of}");
            assert!(bits(&dx) == bits(&naive.1), "spmm_transpose of {of}");
            assert!(bits(&grad) == bits(&naive.2), "sddmm of {of}");
        }
    }
}

#[test]
fn dropout_keeps_the_right_fraction_and_no_lane_is_special() {
    let (n, b, rate) = (2000, 128, 0.3);
    let empty = Csr::new(1, vec![0; n + 1], vec![], vec![]).unwrap();
    let mask = Mask::new(Stream::new(5, Purpose::Dropout, 1, 0), rate);
    let forward = Forward { map: Map::Identity, mask: Some(mask), flush: false };
    let mut y = vec![0.0; n * b];
    let mut kept = vec![0u16; n * words(b)];
    let ones = vec![1.0; n];
    let par = Par::seq();
    let record = Record { kept: &mut kept, ..Record::default() };
    let (x, outputs) = (vec![0.0; b], Outputs { y: lanes_mut(&mut y, b), record });
    kernels::spmm_activate(&par, linear(&empty, &ones), lanes(&x, b), &forward, outputs);
    let mean = y.iter().sum::<f32>() / y.len() as f32;
    assert!((mean - 1.0).abs() < 0.01, "inverted dropout keeps the mean: {mean}");
    for lane in 0..b {
        let kept = (0..n).filter(|r| y[r * b + lane] > 0.0).count() as f64;
        // Five standard deviations of a binomial.
        assert!(
            (kept - 0.7 * n as f64).abs() < 5.0 * (0.21 * n as f64).sqrt(),
            "lane {lane}: {kept}"
        );
    }
    // Neighbouring lanes and neighbouring rows are independent: agreement is 0.7^2 + 0.3^2.
    let agree = |step: usize| {
        let pairs = y.len() - step;
        (0..pairs).filter(|i| (y[*i] > 0.0) == (y[i + step] > 0.0)).count() as f64 / pairs as f64
    };
    for step in [1, 8, 16, b, 2 * b] {
        assert!((agree(step) - 0.58).abs() < 0.01, "{step}: {}", agree(step));
    }
}
