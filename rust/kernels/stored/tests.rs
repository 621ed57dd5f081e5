//! What sparse batches compute, beside products with all features and naive sums.

use std::collections::BTreeMap;

use proptest::prelude::{
    Just, ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, proptest,
};

use super::{ParametersOf, StoredBatch, Touched, stored_activate, stored_gradient_at};
use crate::csr::{Csr, Transpose};
use crate::kernels::epilogue::{Forward, Mask};
use crate::kernels::operands::{Batch, BatchMut, Linear, Outputs, Parameters, Record};
use crate::kernels::step::{RULES, Step};
use crate::kernels::{Map, Needs, spmm_activate, stride, words};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream};

/// Samples as features with values.
type Samples = Vec<BTreeMap<u32, f32>>;

fn matrix(rows: &[BTreeMap<u32, f32>], n_cols: usize) -> Csr {
    let mut indptr = vec![0];
    rows.iter().for_each(|row| indptr.push(indptr[indptr.len() - 1] + row.len()));
    let indices = rows.iter().flat_map(|row| row.keys().copied()).collect();
    let data = rows.iter().flat_map(|row| row.values().copied()).collect();
    Csr::new(n_cols, indptr, indices, data).unwrap()
}

fn stored(samples: &Samples, n_cols: usize) -> StoredBatch {
    let mut batch = StoredBatch::new(n_cols).unwrap();
    // A batch before it leaves nothing.
    batch.begin(1, 1).unwrap();
    batch.push(n_cols as u32 - 1, 9.0);
    batch.end_sample();
    batch.end();
    batch.begin(samples.len(), samples.iter().map(BTreeMap::len).sum()).unwrap();
    for sample in samples {
        sample.iter().for_each(|(&feature, &value)| batch.push(feature, value));
        batch.end_sample();
    }
    batch.end();
    batch
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn rows(n: usize, n_cols: u32) -> impl Strategy<Value = Samples> {
    let row = prop::collection::btree_map(0..n_cols, -2.0f32..2.0, 0..=n_cols as usize);
    prop::collection::vec(row, n)
}

/// Weights, samples and the number of features.
fn problem() -> impl Strategy<Value = (Samples, Samples, usize)> {
    (0usize..30, 1usize..40, 1u32..50).prop_flat_map(|(n_rows, samples, n_cols)| {
        (rows(n_rows, n_cols), rows(samples, n_cols), Just(n_cols as usize))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Activations with the bits of the product with all features, for any number of threads, and the
    /// gradients that a naive sum gives.
    #[test]
    fn as_with_all_features((w, samples, n_cols) in problem(), threads in 1usize..4) {
        let par = Par::new(threads).unwrap();
        let (w, batch, stride) = (matrix(&w, n_cols), stored(&samples, n_cols), stride(samples.len()));
        let index = Transpose::new(&par, w.pattern()).unwrap();
        let n = w.n_rows();
        let of = ParametersOf { values: w.data(), momentum: &[], second: &[] };
        let mut touched = Touched::default();
        touched.copy(&par, &index, batch.features(), of, None).unwrap();

        let bias: Vec<f32> = (0..n).map(|r| (r as f32).sin()).collect();
        let mut x = vec![0.0; n_cols * stride];
        for (lane, sample) in samples.iter().enumerate() {
            sample.iter().for_each(|(&c, &v)| x[c as usize * stride + lane] = v);
        }
        let linear = Linear { weights: (&w).into(), bias: &bias };
        let mask = Some(Mask::new(Stream::new(1, Purpose::Dropout, 1, 0), 0.3));
        for (map, mask) in [(Map::Identity, None), (Map::Slope(0.3), mask), (Map::Gelu, None)] {
            let forward = Forward { map, mask, flush: true };
            let words = words(stride);
            let run = |by_values: bool| {
                let (mut y, mut z) = (vec![f32::NAN; n * stride], vec![0.0; n * stride]);
                let (mut signs, mut kept) = (vec![0; n * words], vec![0; n * words]);
                let z_part = if map.needs() == Needs::PreActivations { &mut z[..] } else { &mut [] };
                let record = Record { signs: &mut signs, kept: &mut kept, z: z_part };
                let outputs = Outputs { y: BatchMut { values: &mut y, stride }, record };
                if by_values {
                    let mut scratch = vec![0.0; samples.len() * n];
                    let of = (&batch, &touched);
                    stored_activate(&par, of.0, of.1, &bias, &forward, &mut scratch, outputs);
                } else {
                    spmm_activate(&par, linear, Batch { values: &x, stride }, &forward, outputs);
                }
                (bits(&y), bits(&z), signs, kept)
            };
            prop_assert_eq!(run(true), run(false));
        }

        let dy: Vec<f32> = (0..n * stride)
            .map(|i| if i % stride < samples.len() { ((i * 37) as f32).cos() } else { 0.0 })
            .collect();
        let deltas = Batch { values: &dy, stride };
        let mut scratch = vec![0.0; samples.len() * n];
        touched.step(&par, &batch, deltas, None, &mut scratch);
        let mut gradients = vec![0.0; w.nnz()];
        touched.give_gradients(&mut gradients);
        let mut at = vec![f32::NAN; w.nnz()];
        stored_gradient_at(&par, &batch, w.pattern(), deltas, &mut at);
        prop_assert_eq!(bits(&gradients), bits(&at));
        for r in 0..n {
            let entries = w.pattern().indptr()[r]..w.pattern().indptr()[r + 1];
            for (&c, gradient) in w.pattern().row(r).iter().zip(&gradients[entries]) {
                let value = |lane: usize| samples[lane].get(&c).map_or(0.0, |&v| f64::from(v));
                let term = |lane| f64::from(dy[r * stride + lane]) * value(lane);
                let sum: f64 = (0..samples.len()).map(term).sum();
                prop_assert!((sum - f64::from(*gradient)).abs() < 1e-4);
            }
        }
        let entries = w.pattern().indices().iter();
        let products: usize =
            entries.map(|c| samples.iter().filter(|s| s.contains_key(c)).count()).sum();
        prop_assert_eq!(touched.products(&batch), products as u64);
    }

    /// A step of the touched connections has the bits of one after the other; the others stay.
    #[test]
    fn only_what_is_touched_steps((w, samples, n_cols) in problem(), rule in 0usize..3) {
        let par = Par::new(2).unwrap();
        let (w, batch, stride) = (matrix(&w, n_cols), stored(&samples, n_cols), stride(samples.len()));
        let index = Transpose::new(&par, w.pattern()).unwrap();
        let rule = RULES[rule];
        let step = Step { rule, rate: 0.1, decay: 0.01, inverse_batch: 0.25, shrink: 0.001 };
        let nnz = w.nnz();
        let mut momentum: Vec<f32> = (0..nnz).map(|i| (i as f32).sin()).collect();
        let mut second: Vec<f32> =
            momentum[..step.seconds(nnz)].iter().map(|v| v * v + 0.1).collect();
        let mut values = w.data().to_vec();
        let mut expected = (values.clone(), momentum.clone(), second.clone());

        let mut touched = Touched::default();
        let of = ParametersOf { values: &values, momentum: &momentum, second: &second };
        touched.copy(&par, &index, batch.features(), of, None).unwrap();
        let dy: Vec<f32> = (0..w.n_rows() * stride).map(|i| ((i * 37) as f32).cos()).collect();
        let deltas = Batch { values: &dy, stride };
        let mut gradients = vec![0.0; nnz];
        stored_gradient_at(&par, &batch, w.pattern(), deltas, &mut gradients);
        for (k, (&gradient, c)) in gradients.iter().zip(w.pattern().indices()).enumerate() {
            if samples.iter().any(|sample| sample.contains_key(c)) {
                let (values, momentum, second) =
                    (&mut expected.0[..], &mut expected.1[..], &mut expected.2[..]);
                step.spend_at(gradient, k, &mut Parameters { values, momentum, second });
            }
        }
        let mut scratch = vec![0.0; samples.len() * w.n_rows()];
        touched.step(&par, &batch, deltas, Some(&step), &mut scratch);
        touched.give_back(&par, &mut Parameters {
            values: &mut values,
            momentum: &mut momentum,
            second: &mut second,
        });
        prop_assert_eq!(bits(&values), bits(&expected.0));
        prop_assert_eq!(bits(&momentum), bits(&expected.1));
        prop_assert_eq!(bits(&second), bits(&expected.2));
    }
}
