//! The three products over layer shapes, and what creates and changes a layer, against what the
//! machine can do, measured in the same run.

mod common;

use common::{Machine, SHAPES, medians, medians_after, numbers, thread_counts, wanted};
use trulysparse::csr::Transpose;
use trulysparse::kernels::{
    self, Batch, BatchMut, Linear, Parameters, Sgd, Step, Transposed, UpdateRule,
};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream};
use trulysparse::topology::{self, Buffers, Old, Thinned, merge, weakest};

fn main() {
    if !wanted("kernels") && !SHAPES.iter().any(|s| wanted(&s.name())) {
        return;
    }
    println!("instruction set: {}", kernels::simd::selected().expect("an instruction set").name());
    let machine = Machine::measure();
    machine.print();
    println!(
        "\nGMAC/s (and the share of the threads' multiply-add peak), each product repeated by itself"
    );
    println!(
        "{:32} {:>7} {:>15} {:>15} {:>15}",
        "layer", "threads", "spmm", "spmm_transpose", "sddmm + update"
    );
    for shape in SHAPES.iter().filter(|s| wanted("kernels") || wanted(&s.name())) {
        for threads in thread_counts() {
            let par = Par::new(threads).expect("threads");
            let mut w = shape.matrix(&par);
            let stride = kernels::stride(shape.batch);
            let (x, dy) = (numbers(shape.n_in * stride, 2), numbers(shape.n_out * stride, 3));
            let (x, dy) = (Batch { values: &x, stride }, Batch { values: &dy, stride });
            let (mut y, mut dx) =
                (numbers(shape.n_out * stride, 4), numbers(shape.n_in * stride, 4));
            let bias = vec![0.0; shape.n_out];
            let index = Transpose::new(&par, w.pattern()).expect("memory");
            let mut momentum = vec![0.0; w.nnz()];
            let step = Step {
                rule: UpdateRule::Sgd(Sgd { momentum: 0.9, nesterov: false }),
                rate: 1e-6,
                decay: 0.0,
                inverse_batch: 1e-2,
                shrink: 0.0,
            };
            let work = (w.nnz() * shape.batch) as f64;
            let copy = w.clone();
            let (pattern, data) = w.pattern_and_data_mut();
            // As in an epoch: the pool's threads are awake.
            let measure = || {
                medians_after(
                    1,
                    0.5,
                    &mut [
                        &mut || {
                            let linear = Linear { weights: (&copy).into(), bias: &bias };
                            kernels::spmm(&par, linear, x, BatchMut { values: &mut y, stride });
                        },
                        &mut || {
                            let w = Transposed { index: &index, data: copy.data() };
                            let dx = BatchMut { values: &mut dx, stride };
                            kernels::spmm_transpose(&par, w, dy, dx);
                        },
                        &mut || {
                            let (values, momentum) = (&mut *data, &mut momentum[..]);
                            let parameters = Parameters { values, momentum, second: &mut [] };
                            kernels::sddmm_update(&par, pattern, dy, x, &step, parameters);
                        },
                    ],
                )
            };
            let times = par.awake(measure);
            print!("{:32} {threads:>7}", shape.name());
            for time in times {
                let rate = work / time;
                let share = 100.0 * rate / (machine.fma * threads as f64);
                print!(" {:>15}", format!("{:.1} ({share:.0}%)", rate / 1e9));
            }
            println!();
        }
    }

    println!("\nmillions of connections per second, all threads");
    println!("{:32} {:>15} {:>15} {:>15}", "layer", "create", "evolve", "transpose index");
    let par = Par::new(*thread_counts().last().expect("a count")).expect("threads");
    for shape in SHAPES.iter().filter(|s| wanted("kernels") || wanted(&s.name())) {
        let w = shape.matrix(&par);
        let stream = |purpose| Stream::new(0, purpose, 0, 0);
        let times = medians(
            0.3,
            &mut [
                &mut || {
                    let structure = stream(Purpose::Structure);
                    topology::erdos_renyi(&par, shape.n_in, shape.n_out, shape.density, structure)
                        .expect("memory");
                },
                &mut || {
                    let places = stream(Purpose::GrowPlaces);
                    let old = Old { weights: &w, carried: &[], closed: &[], track: false };
                    let dropped = weakest(&par, w.data(), 0.3).expect("memory");
                    let thinned = Thinned::new(&par, old, dropped).expect("memory");
                    let places = thinned.draw(&par, thinned.dropped() as u64, places);
                    let (places, value) = (places.expect("memory"), |_| |_| 0.01);
                    merge(&par, &thinned, places, value, &mut Buffers::default()).expect("memory");
                },
                &mut || {
                    Transpose::new(&par, w.pattern()).expect("memory");
                },
            ],
        );
        print!("{:32}", shape.name());
        times.iter().for_each(|t| print!(" {:>15.0}", w.nnz() as f64 / t / 1e6));
        println!();
    }
}
