//! Augmented images in the core: the memory that they take, and the bits of epochs that pause.

#![allow(clippy::unwrap_used)]

use trulysparse::checkpoint;
use trulysparse::kernels::Frame;
use trulysparse::nn::{
    Activation, ActivationKind, Config, Fall, Footprint, LayerRates, Memory, Mlp, Optimizer,
    Sparsity, Targets, UpdateSettings, Workspace,
};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream, symmetric};
use trulysparse::topology::{Fan, Init, Scheme};
use trulysparse::train::{Augmentation, DataView, Epoch, FitSettings, Samples};

const FRAME: Frame = Frame { height: 30, width: 20, channels: 3 };
const FEATURES: usize = 1800;
const IMAGES: Augmentation =
    Augmentation { frame: FRAME, rotation: 10.0, shift: 0.1, mirror: true };

fn network() -> Mlp {
    let config = Config {
        sparsity: Sparsity::Epsilon(4.0.into()),
        activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
        init: Init { scheme: Scheme::HeUniform, fan: Fan::Real },
        dropout: 0.2.into(),
        seed: 5,
        ..Config::plain(vec![FEATURES, 30, 20, 2])
    };
    Mlp::new(&Par::seq(), config).unwrap()
}

/// Two epochs in batches of 16 that stop after every `pause` steps and go on.
fn trained(data: &DataView<'_>, threads: usize, pause: usize) -> Vec<u8> {
    let (par, mut mlp) = (Par::new(threads).unwrap(), network());
    let optimizer = Optimizer {
        rule: UpdateSettings::Sgd { momentum: 0.9, nesterov: true, schedule_decay: false },
        learning_rate: 0.05,
        weight_decay: 1e-4,
        l1: 0.0,
        schedule: Fall::Cosine { last: 0.0 }.into(),
        layer_rates: LayerRates::Equal,
    };
    let settings = FitSettings { batch_size: 16, optimizer, total_steps: 8 };
    let mut workspace = Workspace::new(&mlp, settings.batch_size, Memory::Fast).unwrap();
    for first_step in [0, 4] {
        let mut epoch = Epoch::new(&mlp, data, settings, first_step).unwrap();
        while !epoch.is_finished() {
            let mut left = pause;
            let go_on = || {
                left -= 1;
                left > 0
            };
            epoch.run(&par, &mut mlp, &mut workspace, data, go_on).unwrap();
        }
    }
    checkpoint::to_bytes(&mlp, &Default::default(), &mut Default::default()).unwrap()
}

#[test]
fn pauses_and_threads_change_no_bit() {
    let draws = Stream::new(3, Purpose::Weights, 9, 9);
    let x: Vec<_> = (0..(50 * FEATURES) as u64).map(|i| symmetric(draws.at(i))).collect();
    let y: Vec<_> = (0..50).map(|i| i % 2).collect();
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    let images = data.augmented(Some(IMAGES));
    let expected = trained(&images, 1, 1000);
    assert_ne!(trained(&data, 1, 1000), expected);
    for (threads, pause) in [(1, 1), (1, 3), (2, 1000), (2, 1), (3, 2), (7, 1000)] {
        assert_eq!(trained(&images, threads, pause), expected, "{threads} threads, {pause} steps");
    }
}

#[test]
fn the_memory_of_changed_images_is_counted() {
    let (model, x) = (network(), [0.0; 2 * FEATURES]);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), None);
    let total = |data: DataView<'_>| {
        let footprint = Footprint::of(&model, 20, None, Memory::Fast, 1);
        data.adjust(footprint, &model, 20).unwrap().total()
    };
    let bytes = (4 * 20 * FEATURES) as f64;
    assert_eq!(total(data.augmented(Some(IMAGES))), total(data) + bytes);
}
