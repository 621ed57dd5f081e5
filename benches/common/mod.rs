//! What the benches share: shapes, timing, and what the machine can do.

#![allow(dead_code)]

use std::time::Instant;

use trulysparse::csr::Csr;
use trulysparse::kernels::limits::{fma_rate, read_rate};
use trulysparse::memory::Lanes;
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream, symmetric};
use trulysparse::topology;

/// A layer to multiply with.
pub struct Shape {
    pub n_in: usize,
    pub n_out: usize,
    pub density: f64,
    pub batch: usize,
}

const fn shape(n_in: usize, n_out: usize, density: f64, batch: usize) -> Shape {
    Shape { n_in, n_out, density, batch }
}

/// Layers of the networks that the paper trains, and one layer at falling density.
pub const SHAPES: [Shape; 13] = [
    shape(1000, 1000, 0.04, 128),
    shape(3072, 4000, 0.0115, 128),
    shape(28, 1000, 0.37, 128),
    shape(500, 400, 0.045, 32),
    shape(54675, 27500, 0.00055, 5),
    shape(54675, 27500, 0.00055, 64),
    shape(4096, 4096, 0.5, 128),
    shape(4096, 4096, 0.2, 128),
    shape(4096, 4096, 0.1, 128),
    shape(4096, 4096, 0.05, 128),
    shape(4096, 4096, 0.02, 128),
    shape(4096, 4096, 0.01, 128),
    shape(4096, 4096, 0.005, 128),
];

/// A network to train.
pub struct Network {
    pub name: &'static str,
    pub sizes: &'static [usize],
    pub epsilon: f64,
    pub batch: usize,
}

const fn network(
    name: &'static str,
    sizes: &'static [usize],
    epsilon: f64,
    batch: usize,
) -> Network {
    Network { name, sizes, epsilon, batch }
}

/// The paper's networks.
pub const NETWORKS: [Network; 6] = [
    network("fashion", &[784, 1000, 1000, 1000, 10], 20.0, 128),
    network("cifar", &[3072, 4000, 1000, 4000, 10], 20.0, 128),
    network("higgs", &[28, 1000, 1000, 1000, 2], 10.0, 128),
    network("madelon", &[500, 400, 100, 400, 2], 10.0, 32),
    network("wide, batch 5", &[54675, 27500, 27500, 18], 10.0, 5),
    network("wide, batch 64", &[54675, 27500, 27500, 18], 10.0, 64),
];

/// What one thread can do.
pub struct Machine {
    pub fma: f64,
    pub l1: f64,
    pub l2: f64,
    pub memory: f64,
}

impl Machine {
    /// Measures it: the best of a few tries, as other work on the machine only takes away.
    pub fn measure() -> Self {
        let buffer = |bytes: usize| Lanes::zeros(bytes / 4, "a bench").expect("memory");
        let (l1, l2, memory) = (buffer(24 << 10), buffer(512 << 10), buffer(256 << 20));
        let best = |f: &dyn Fn() -> f64| (0..5).map(|_| f()).fold(0.0, f64::max);
        Machine {
            fma: best(&fma_rate),
            l1: best(&|| read_rate(&l1)),
            l2: best(&|| read_rate(&l2)),
            memory: best(&|| read_rate(&memory)),
        }
    }

    pub fn print(&self) {
        println!(
            "one thread: {:.0} GMAC/s, reads {:.0} GB/s from L1, {:.0} from L2, {:.0} from memory",
            self.fma / 1e9,
            self.l1 / 1e9,
            self.l2 / 1e9,
            self.memory / 1e9,
        );
    }
}

/// Medians of seconds per run, the candidates taking turns so that noise hits all alike.
pub fn medians(budget: f64, runs: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    medians_after(0, budget, runs)
}

/// Like [`medians`], but the best of the runs: what the machine can do where others use it too.
pub fn bests(budget: f64, runs: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    sorted_after(0, budget, runs).into_iter().map(|t| t[0]).collect()
}

/// [`medians`] where a run finds the caches as `untimed` runs of itself left them.
pub fn medians_after(untimed: usize, budget: f64, runs: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    sorted_after(untimed, budget, runs).into_iter().map(|t| t[t.len() / 2]).collect()
}

fn sorted_after(untimed: usize, budget: f64, runs: &mut [&mut dyn FnMut()]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); runs.len()];
    runs.iter_mut().for_each(|run| run()); // warm
    let start = Instant::now();
    while times[0].len() < 5 || (start.elapsed().as_secs_f64() < budget && times[0].len() < 1001) {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            (0..untimed).for_each(|_| run());
            let start = Instant::now();
            run();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    times.iter_mut().for_each(|t| t.sort_by(f64::total_cmp));
    times
}

/// One thread and all of them.
pub fn thread_counts() -> Vec<usize> {
    let all = std::thread::available_parallelism().map_or(1, |n| n.get());
    if all == 1 { vec![1] } else { vec![1, all] }
}

/// Only what contains the first argument of `cargo bench -- WORD`, if there is one.
pub fn wanted(name: &str) -> bool {
    std::env::args().skip(1).find(|a| !a.starts_with('-')).is_none_or(|word| name.contains(&word))
}

pub fn numbers(len: usize, seed: u64) -> Lanes {
    let stream = Stream::new(seed, Purpose::Weights, 0, 0);
    let mut out = Lanes::zeros(len, "a bench").expect("memory");
    out.iter_mut().enumerate().for_each(|(i, v)| *v = symmetric(stream.at(i as u64)));
    out
}

impl Shape {
    pub fn matrix(&self, par: &Par) -> Csr {
        let stream = Stream::new(0, Purpose::Structure, 0, 0);
        let (indptr, indices) =
            topology::erdos_renyi(par, self.n_in, self.n_out, self.density, stream)
                .expect("a structure");
        let data = numbers(indices.len(), 1).to_vec();
        Csr::new(self.n_in, indptr, indices, data).expect("a matrix")
    }

    pub fn name(&self) -> String {
        let Shape { n_in, n_out, density, batch } = self;
        format!("{n_in} x {n_out}, {:.3}%, batch {batch}", 100.0 * density)
    }
}
