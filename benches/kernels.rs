//! `cargo bench`: the three kernels over layer shapes and densities, and what surrounds them.
//!
//! Throughput is in multiply-adds: 1 Gitem/s is 1 GMAC/s. `TRULYSPARSE_BENCH_THREADS` sets the
//! number of threads (1 if unset); `cargo bench -- spmm` runs only what matches.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use trulysparse::csr::{Csr, Transpose};
use trulysparse::kernels::{self, Step};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream};
use trulysparse::topology;

fn main() {
    divan::main();
}

/// Layers of the networks that the paper trains, and one layer at falling density.
const LAYERS: [Layer; 8] = [
    Layer { name: "1000x1000 4% batch 128", n_in: 1000, n_out: 1000, density: 0.04, batch: 128 },
    Layer {
        name: "3072x4000 1.15% batch 128",
        n_in: 3072,
        n_out: 4000,
        density: 0.0115,
        batch: 128,
    },
    Layer { name: "500x400 4.5% batch 32", n_in: 500, n_out: 400, density: 0.045, batch: 32 },
    Layer {
        name: "54675x27500 0.055% batch 5",
        n_in: 54675,
        n_out: 27500,
        density: 0.00055,
        batch: 5,
    },
    Layer { name: "4096x4096 20% batch 128", n_in: 4096, n_out: 4096, density: 0.2, batch: 128 },
    Layer { name: "4096x4096 5% batch 128", n_in: 4096, n_out: 4096, density: 0.05, batch: 128 },
    Layer { name: "4096x4096 1% batch 128", n_in: 4096, n_out: 4096, density: 0.01, batch: 128 },
    Layer { name: "4096x4096 0.5% batch 128", n_in: 4096, n_out: 4096, density: 0.005, batch: 128 },
];

#[derive(Clone, Copy)]
struct Layer {
    name: &'static str,
    n_in: usize,
    n_out: usize,
    density: f64,
    batch: usize,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

struct Problem {
    par: Par,
    w: Csr,
    stride: usize,
    x: Vec<f32>,
    dy: Vec<f32>,
}

fn numbers(len: usize, epoch: u64) -> Vec<f32> {
    let stream = Stream::new(0, Purpose::Weights, 0, epoch);
    (0..len as u64).map(|i| trulysparse::rng::symmetric(stream.at(i))).collect()
}

fn par() -> Par {
    let threads =
        std::env::var("TRULYSPARSE_BENCH_THREADS").map_or(1, |v| v.parse().expect("a number"));
    Par::new(threads).expect("threads")
}

impl Layer {
    fn structure(&self, par: &Par) -> (Vec<usize>, Vec<u32>) {
        let stream = Stream::new(0, Purpose::Structure, 0, 0);
        topology::erdos_renyi(par, self.n_in, self.n_out, self.density, stream)
            .expect("a structure")
    }

    fn problem(&self) -> Problem {
        let par = par();
        let (indptr, indices) = self.structure(&par);
        let data = numbers(indices.len(), 1);
        let w = Csr::new(self.n_in, indptr, indices, data).expect("a matrix");
        let stride = kernels::stride(self.batch);
        Problem {
            par,
            w,
            stride,
            x: numbers(self.n_in * stride, 2),
            dy: numbers(self.n_out * stride, 3),
        }
    }
}

impl Problem {
    fn work(&self, batch: usize) -> ItemsCount {
        ItemsCount::new(self.w.nnz() * batch)
    }
}

#[divan::bench(args = LAYERS)]
fn spmm(bencher: Bencher, layer: Layer) {
    let p = layer.problem();
    let (bias, mut y) = (vec![0.0; layer.n_out], vec![0.0; layer.n_out * p.stride]);
    bencher.counter(p.work(layer.batch)).bench_local(|| {
        kernels::spmm(&p.par, p.w.pattern(), p.w.data(), black_box(&p.x), p.stride, &bias, &mut y)
    });
}

#[divan::bench(args = LAYERS)]
fn spmm_transpose(bencher: Bencher, layer: Layer) {
    let p = layer.problem();
    let index = Transpose::new(p.w.pattern()).expect("an index");
    let mut dx = vec![0.0; layer.n_in * p.stride];
    bencher.counter(p.work(layer.batch)).bench_local(|| {
        kernels::spmm_transpose(&p.par, &index, p.w.data(), black_box(&p.dy), p.stride, &mut dx)
    });
}

#[divan::bench(args = LAYERS)]
fn sddmm(bencher: Bencher, layer: Layer) {
    let p = layer.problem();
    let mut grad = vec![0.0; p.w.nnz()];
    bencher.counter(p.work(layer.batch)).bench_local(|| {
        kernels::sddmm(&p.par, p.w.pattern(), black_box(&p.dy), &p.x, p.stride, &mut grad)
    });
}

#[divan::bench(args = LAYERS)]
fn sddmm_update(bencher: Bencher, layer: Layer) {
    let mut p = layer.problem();
    let mut momentum = vec![0.0; p.w.nnz()];
    let step = Step { rate: 1e-6, momentum: 0.9, decay: 0.0, nesterov: false, inverse_batch: 1e-2 };
    let work = p.work(layer.batch);
    let (pattern, data) = p.w.pattern_and_data_mut();
    bencher.counter(work).bench_local(|| {
        kernels::sddmm_update(
            &p.par,
            pattern,
            black_box(&p.dy),
            &p.x,
            p.stride,
            &step,
            data,
            &mut momentum,
        )
    });
}

/// Creation of a layer's structure; an item is a connection.
#[divan::bench(args = LAYERS)]
fn erdos_renyi(bencher: Bencher, layer: Layer) {
    let par = par();
    let nnz = layer.structure(&par).1.len();
    bencher.counter(ItemsCount::new(nnz)).bench_local(|| layer.structure(&par));
}

/// One SET evolution of a layer; an item is a connection.
#[divan::bench(args = LAYERS)]
fn evolve(bencher: Bencher, layer: Layer) {
    let p = layer.problem();
    let places = Stream::new(0, Purpose::GrowPlaces, 0, 0);
    bencher.counter(ItemsCount::new(p.w.nnz())).bench_local(|| {
        topology::evolve(&p.par, &p.w, 0.3, places, |_| 0.01).expect("an evolution")
    });
}
