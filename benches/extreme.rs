//! The products of a large layer with few connections a neuron, with the activations and steps of
//! biases that training has on the way, against the rate at which memory
//! gives random rows: `cargo bench --bench extreme -- [neurons] [batch]`.

mod common;

use common::{bests, numbers, thread_counts};
use trulysparse::csr::{Csr, Transpose};
use trulysparse::kernels::{
    self, Backward, Batch, BatchMut, Biases, Forward, Linear, Map, Outputs, Parameters, Record,
    Sgd, Step, Transposed, UpdateRule, Weights, limits::gather_rate, words,
};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream};
use trulysparse::topology;

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let n = arguments.next().unwrap_or(1_000_000);
    let batches = arguments.next().map_or(vec![16, 32], |b| vec![b]);
    let stream = Stream::new(0, Purpose::Structure, 0, 0);
    println!(
        "a layer of {n} x {n}, epsilon 1: millions of rows a second, and the share of the limit"
    );
    println!(
        "{:>5} {:>7} {:>8} {:>15} {:>15} {:>15} {:>15}",
        "batch", "threads", "limit", "W X", "W^T dY", "dY X^T + update", "together"
    );
    for threads in thread_counts() {
        let par = Par::new(threads).expect("threads");
        let (indptr, indices) =
            topology::erdos_renyi(&par, n, n, 2.0 / n as f64, stream).expect("memory");
        let data = numbers(indices.len(), 1).to_vec();
        let mut w = Csr::new(n, indptr, indices, data).expect("a matrix");
        let index = Transpose::new(&par, w.pattern()).expect("memory");
        let copy = w.data().to_vec();
        let mut momentum = vec![0.0; w.nnz()];
        let order = w.pattern().indices().to_vec();
        let step = Step {
            rule: UpdateRule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
            rate: 1e-6,
            decay: 0.0,
            inverse_batch: 1e-2,
            shrink: 0.0,
        };
        for &batch in &batches {
            let stride = kernels::stride(batch);
            let (x, dy) = (numbers(n * stride, 2), numbers(n * stride, 3));
            let (x, dy) = (Batch { values: &x, stride }, Batch { values: &dy, stride });
            let (mut y, mut dx) = (numbers(n * stride, 4), numbers(n * stride, 4));
            let mut bias = vec![0.0; n];
            let mut bias_momentum = vec![0.0; n];
            let mut signs = vec![0; n * words(stride)];
            let seen = vec![0xA5A5; n * words(stride)];
            let map = Map::Slope(0.6);
            let forward = Forward { map, mask: None, flush: false };
            let backward = Backward { signs: &seen, ..Backward::of(map) };
            let zeros = vec![0.0; n];
            let mut limit = 0.0f64;
            let (pattern, data) = w.pattern_and_data_mut();
            let mut times = bests(
                5.0,
                &mut [
                    &mut || {
                        let (y, signs) = (&mut y, &mut signs[..]);
                        let record = Record { signs, ..Record::default() };
                        let outputs = Outputs { y: BatchMut { values: y, stride }, record };
                        let weights = Weights { pattern, data: &copy };
                        let linear = Linear { weights, bias: &zeros };
                        kernels::spmm_activate(&par, linear, x, &forward, outputs);
                    },
                    &mut || {
                        let (values, momentum) = (&mut bias[..], &mut bias_momentum[..]);
                        let parameters = Parameters { values, momentum, second: &mut [] };
                        let biases = Some(Biases { step, parameters });
                        let w = Transposed { index: &index, data: &copy };
                        let dx = BatchMut { values: &mut dx, stride };
                        kernels::spmm_transpose_derive(&par, w, dy, &backward, dx, biases);
                    },
                    &mut || {
                        let (values, momentum) = (&mut *data, &mut momentum[..]);
                        let parameters = Parameters { values, momentum, second: &mut [] };
                        kernels::sddmm_update(&par, pattern, dy, x, &step, parameters);
                    },
                    &mut || limit = limit.max(gather_rate(&par, x, &order)),
                ],
            );
            times.truncate(3);
            print!("{batch:>5} {threads:>7} {:>8.0}", limit / 1e6);
            let entries = order.len() as f64;
            let together = times.iter().sum::<f64>() / 3.0;
            for time in times.into_iter().chain([together]) {
                let rate = entries / time;
                print!(" {:>15}", format!("{:.0} ({:.0}%)", rate / 1e6, 100.0 * rate / limit));
            }
            println!();
        }
    }
}
