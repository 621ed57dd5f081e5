//! How long the server of asynchronous training takes for an update: a push and the next pull.
//!
//! As in a fit, every worker is a thread that runs the server behind a lock, so that the network is
//! in the caches of the thread that ran it before. No more updates per second than one over this time are
//! possible, for any number of workers.

mod common;

use std::sync::Mutex;
use std::time::Instant;

use common::{NETWORKS, numbers, thread_counts, wanted};
use trulysparse::nn::{
    Activation, ActivationKind, Config, Draw, Fall, Gradient, LayerRates, Memory, Mlp, Optimizer,
    Replica, Sparsity, Targets, UpdateSettings, Workspace,
};
use trulysparse::parallel::Par;
use trulysparse::train::{DataView, Samples, ValidUpdates, Version};

/// Updates of each worker; the first tenth warms up.
const UPDATES: u64 = 400;

/// Seconds in the lock, for pushes and for pulls, and between two locks.
#[derive(Clone, Copy, Default)]
struct Times {
    push: f64,
    pull: f64,
    gradient: f64,
}

fn main() {
    println!("milliseconds (medians), on a thread for each worker");
    println!(
        "{:16} {:>7} {:>11} {:>9} {:>8} {:>8} {:>8} {:>22}",
        "network",
        "workers",
        "connections",
        "gradient",
        "push",
        "pull",
        "both",
        "updates/s at most"
    );
    for network in NETWORKS.iter().filter(|n| wanted("server") || wanted(n.name)) {
        for workers in thread_counts() {
            let config = Config {
                sparsity: Sparsity::Epsilon(network.epsilon.into()),
                activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
                dropout: 0.3.into(),
                ..Config::plain(network.sizes.to_vec())
            };
            let mut mlp = Mlp::new(&Par::seq(), config).expect("a network");
            mlp.prepare_training(&Par::seq(), Memory::Fast).expect("memory");
            let nnz = mlp.nnz();
            let shared = Mutex::new((ValidUpdates::new(workers, None), mlp, Vec::new()));
            std::thread::scope(|scope| {
                for worker in 0..workers {
                    let shared = &shared;
                    scope.spawn(move || work(worker, shared, network.sizes[0], network.batch));
                }
            });
            let times = shared.into_inner().expect("no panic").2;
            let median = |of: fn(&Times) -> f64| {
                let mut seconds: Vec<_> = times.iter().map(of).collect();
                seconds.sort_by(f64::total_cmp);
                1e3 * seconds[seconds.len() / 2]
            };
            let both = median(|t| t.push + t.pull);
            println!(
                "{:16} {workers:>7} {nnz:>11} {:>9.3} {:>8.4} {:>8.4} {both:>8.4} {:>22.0}",
                network.name,
                median(|t| t.gradient),
                median(|t| t.push),
                median(|t| t.pull),
                1e3 / both,
            );
        }
    }
}

/// Pulls, takes a gradient and pushes it, again and again.
fn work(
    worker: usize,
    shared: &Mutex<(ValidUpdates, Mlp, Vec<Times>)>,
    features: usize,
    batch: usize,
) {
    let par = Par::seq();
    let x = numbers(features * batch, worker as u64);
    let labels: Vec<u32> = (0..batch as u32).map(|i| i % 2).collect();
    let data =
        DataView::checked_before(Samples::Dense(&x, features), Some(Targets::Classes(&labels)));
    let samples: Vec<u32> = (0..batch as u32).collect();
    // The weights hardly move, so that the gradients stay as they are.
    let sgd = Optimizer {
        rule: UpdateSettings::Sgd { momentum: 0.9, nesterov: false, schedule_decay: false },
        learning_rate: 1e-6,
        weight_decay: 2e-4,
        l1: 0.0,
        schedule: Fall::Constant.into(),
        layer_rates: LayerRates::Equal,
    };
    let (mut replica, mut gradient): (Option<Replica>, _) = (None, Gradient::default());
    let (mut version, mut workspace) = {
        let (server, mlp, _) = &mut *shared.lock().expect("no panic");
        gradient.fit(mlp).expect("memory");
        let version = server.pull(mlp, worker, &mut replica, Version::default());
        (version.expect("memory"), Workspace::new(mlp, batch, Memory::Fast).expect("memory"))
    };
    for step in 0..UPDATES {
        let start = Instant::now();
        let model = replica.as_ref().expect("a pull").model();
        let buffers = workspace.buffers();
        data.gather(&par, model, None, &samples, buffers).expect("memory");
        let draw = Draw { seed: worker as u64, step };
        let out = gradient.values_mut();
        model.gradient(&par, &mut workspace, &samples, data.answers(), draw, out);
        gradient.set_samples(batch);
        let computed = Instant::now();
        let (server, mlp, times) = &mut *shared.lock().expect("no panic");
        let inside = Instant::now();
        let step_of = sgd.step((0, 1), 0, batch);
        server.push(&par, mlp, worker, gradient.view(), version, &step_of).expect("memory");
        let pushed = Instant::now();
        version = server.pull(mlp, worker, &mut replica, version).expect("memory");
        let end = Instant::now();
        if step >= UPDATES / 10 {
            times.push(Times {
                push: (pushed - inside).as_secs_f64(),
                pull: (end - pushed).as_secs_f64(),
                gradient: (computed - start).as_secs_f64(),
            });
        }
    }
}
