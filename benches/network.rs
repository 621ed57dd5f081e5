//! Whole networks: creation, a training step, an evolution, predictions.

mod common;

use common::{NETWORKS, medians, numbers, thread_counts, wanted};
use trulysparse::kernels;
use trulysparse::nn::{
    Activation, ActivationKind, Config, Fall, Inference, LayerRates, Memory, Mlp, Optimizer,
    Sparsity, Targets, UpdateSettings, Workspace,
};
use trulysparse::parallel::Par;
use trulysparse::topology::Set;
use trulysparse::train::{DataView, Samples};

/// The batch that evolutions are compared with, the same for all networks.
const PLAIN_BATCH: usize = 128;

fn main() {
    let names: Vec<_> = NETWORKS.iter().filter(|n| wanted("network") || wanted(n.name)).collect();
    if names.is_empty() {
        return;
    }
    println!("instruction set: {}", kernels::simd::selected().expect("an instruction set").name());
    println!(
        "milliseconds (medians); steps gather their batch and have dropout, momentum and decay"
    );
    println!("evolve/128: an evolution over a step at batch {PLAIN_BATCH}, for every network");
    println!(
        "{:16} {:>7} {:>11} {:>8} {:>8} {:>13} {:>8} {:>12} {:>14}",
        "network",
        "threads",
        "connections",
        "create",
        "step",
        "step GMAC/s",
        "evolve",
        "evolve/128",
        "predict batch"
    );
    for network in names {
        for threads in thread_counts() {
            let par = Par::new(threads).expect("threads");
            let config = Config {
                sparsity: Sparsity::Epsilon(network.epsilon.into()),
                activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
                dropout: 0.3.into(),
                ..Config::plain(network.sizes.to_vec())
            };
            let (features, batch) = (network.sizes[0], network.batch);
            let most = batch.max(PLAIN_BATCH);
            let x = numbers(features * most, 1);
            let y: Vec<u32> = (0..most as u32).map(|i| i % 2).collect();
            let data =
                DataView::checked_before(Samples::Dense(&x, features), Some(Targets::Classes(&y)));
            let samples: Vec<u32> = (0..most as u32).collect();
            let sgd = Optimizer {
                rule: UpdateSettings::Sgd { momentum: 0.9, nesterov: false, schedule_decay: false },
                learning_rate: 1e-4,
                weight_decay: 2e-4,
                l1: 0.0,
                schedule: Fall::Constant.into(),
                layer_rates: LayerRates::Equal,
            };
            let mut mlp = Mlp::new(&par, config.clone()).expect("a network");
            let mut workspace = Workspace::new(&mlp, batch, Memory::Fast).expect("memory");
            let mut plain_workspace =
                Workspace::new(&mlp, PLAIN_BATCH, Memory::Fast).expect("memory");
            let mut inference = Inference::new(&mlp, batch).expect("memory");
            mlp.prepare_training(&par, Memory::Fast).expect("memory");
            let mut evolving = mlp.clone();
            let mut plain = mlp.clone();
            let predicting = mlp.clone();
            let set = Set { zeta: 0.3, grow_init: 1.0 };
            let step = |mlp: &mut Mlp, workspace: &mut Workspace, samples: &[u32]| {
                let buffers = workspace.buffers();
                data.gather(&par, mlp, None, samples, buffers).expect("memory");
                mlp.train_step(&par, workspace, samples, data.answers(), &sgd, (0, 1));
            };
            // As in an epoch: many steps inside the pool, its threads kept awake.
            let times = par.awake(|| {
                medians(
                    1.0,
                    &mut [
                        &mut || {
                            Mlp::new(&par, config.clone()).expect("a network");
                        },
                        &mut || step(&mut mlp, &mut workspace, &samples[..batch]),
                        &mut || step(&mut plain, &mut plain_workspace, &samples[..PLAIN_BATCH]),
                        &mut || {
                            evolving.evolve(&par, &set).expect("memory");
                            evolving.prepare_training(&par, Memory::Fast).expect("memory");
                        },
                        &mut || {
                            let (buffers, batch_of) = (inference.buffers(), &samples[..batch]);
                            data.gather(&par, &predicting, None, batch_of, buffers)
                                .expect("memory");
                            predicting.forward(&par, &mut inference, batch);
                        },
                    ],
                )
            });
            let first = mlp.layers()[0].weights().nnz();
            // Three products a connection, but none for the gradient of the inputs.
            let work = ((3 * mlp.nnz() - first) * batch) as f64;
            println!(
                "{:16} {threads:>7} {:>11} {:>8.2} {:>8.3} {:>13.1} {:>8.2} {:>12.2} {:>14.3}",
                network.name,
                mlp.nnz(),
                1e3 * times[0],
                1e3 * times[1],
                work / times[1] / 1e9,
                1e3 * times[3],
                times[3] / times[2],
                1e3 * times[4],
            );
        }
    }
}
