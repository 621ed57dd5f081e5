//! The same bits on every processor: golden hashes of small fits. Python's tests have more of them for
//! every instruction set of one processor; these also run where there is no Python, as in
//! `tests/aarch64`.

#![allow(clippy::unwrap_used)]

use trulysparse::nn::{
    Activation, ActivationKind, Config, Fall, LayerRates, Memory, Mlp, Optimizer, Sparsity,
    Targets, UpdateSettings, Workspace,
};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream, symmetric};
use trulysparse::topology::{Fan, Init, Scheme, Set};
use trulysparse::train::{DataView, Epoch, FitSettings, InferencePass, Samples};

const FEATURES: usize = 24;
const SAMPLES: usize = 300;

const SGD: UpdateSettings =
    UpdateSettings::Sgd { momentum: 0.9, nesterov: true, schedule_decay: false };
const ADAM: UpdateSettings = UpdateSettings::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 };
const LION: UpdateSettings = UpdateSettings::Lion { beta_1: 0.9, beta_2: 0.99 };

/// A hash of what two epochs with an evolution between them leave, and of its predictions.
fn fit(
    kind: ActivationKind,
    rule: UpdateSettings,
    batch_size: usize,
    memory: Memory,
    threads: usize,
) -> u32 {
    let par = Par::new(threads).unwrap();
    let draws = Stream::new(3, Purpose::Weights, 9, 9);
    let x: Vec<f32> = (0..(SAMPLES * FEATURES) as u64).map(|i| symmetric(draws.at(i))).collect();
    let y: Vec<u32> = x.chunks(FEATURES).map(|row| u32::from(row[0] * row[1] > 0.0)).collect();
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    let config = Config {
        sparsity: Sparsity::Epsilon(8.0.into()),
        activation: Activation { kind: kind.into(), slope: 0.6 },
        init: Init { scheme: Scheme::HeUniform, fan: Fan::Real },
        dropout: 0.2.into(),
        input_noise: 0.1,
        seed: 5,
        ..Config::plain(vec![FEATURES, 70, 200, 40, 2])
    };
    let mut model = Mlp::new(&par, config).unwrap();
    let optimizer = Optimizer {
        rule,
        learning_rate: if rule == SGD { 0.005 } else { 0.002 },
        weight_decay: 1e-4,
        l1: 1e-5,
        schedule: Fall::Cosine { last: 0.0 }.into(),
        layer_rates: LayerRates::Equal,
    };
    let steps = SAMPLES.div_ceil(batch_size) as u64;
    let settings = FitSettings { batch_size, optimizer, total_steps: 2 * steps };
    let mut workspace = Workspace::new(&model, batch_size, memory).unwrap();
    for epoch in 0..2 {
        let mut epoch = Epoch::new(&model, &data, settings, epoch * steps).unwrap();
        epoch.run(&par, &mut model, &mut workspace, &data, || true).unwrap();
        model.evolve(&par, &Set { zeta: 0.3, grow_init: 0.1 }).unwrap();
    }
    assert!(model.is_finite(&par), "{kind:?} exploded at batch {batch_size}");
    let mut predictions = vec![0.0; SAMPLES * 2];
    let mut pass = InferencePass::new(&model, &data, batch_size).unwrap();
    pass.predict(&par, &model, &data, &mut predictions, || true).unwrap();
    let mut hash = crc32fast::Hasher::new();
    for layer in model.layers() {
        hash.update(bytemuck::cast_slice(layer.weights().pattern().indices()));
        for values in [layer.weights().data(), layer.momentum(), layer.bias()] {
            hash.update(bytemuck::cast_slice(values));
        }
    }
    hash.update(bytemuck::cast_slice(&predictions));
    hash.finalize()
}

#[test]
fn a_fit_has_the_same_bits_on_every_processor() {
    use ActivationKind::*;
    use Memory::{Fast, Lean, Least};
    let cases = [
        (AllRelu, SGD, 1, Fast, 0x2fbf2afb),
        (AllRelu, SGD, 3, Fast, 0x6450eeec),
        (AllRelu, SGD, 7, Fast, 0xe3a1ea8d),
        (AllRelu, SGD, 16, Fast, 0xdd12b5b1),
        (AllRelu, SGD, 33, Fast, 0xa06e9f79),
        (AllRelu, SGD, 50, Fast, 0x5135860b),
        (AllRelu, SGD, 128, Fast, 0xe36189b3),
        (AllRelu, SGD, 200, Fast, 0x3b3e605a),
        (AllRelu, SGD, 128, Lean, 0xe36189b3),
        (AllRelu, SGD, 128, Least, 0xe36189b3),
        (Relu, ADAM, 128, Fast, 0x0bd6b1e5),
        (LeakyRelu, LION, 64, Fast, 0xebc229c0),
        (Sigmoid, ADAM, 40, Fast, 0x1726897e),
        (Tanh, LION, 128, Fast, 0x36e9cc64),
        (Silu, SGD, 60, Fast, 0x0cdbdca1),
        (Gelu, ADAM, 20, Least, 0x83323d3b),
        (Srelu, SGD, 128, Fast, 0x44baef7d),
        (Identity, SGD, 256, Fast, 0xb3ae79a8),
    ];
    let found: Vec<_> = cases
        .iter()
        .map(|&(kind, rule, batch_size, memory, _)| {
            let hash = fit(kind, rule, batch_size, memory, 1);
            assert_eq!(hash, fit(kind, rule, batch_size, memory, 3), "of 3 threads: {kind:?}");
            hash
        })
        .collect();
    let expected: Vec<_> = cases.iter().map(|case| case.4).collect();
    assert_eq!(found, expected, "{found:#010x?}");
}
