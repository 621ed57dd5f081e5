//! Which samples a worker trains on, in which order, and which random numbers it draws.
//!
//! Worker k of K has the samples k, k + K, k + 2K, ...: shares differ by one sample at most, and data
//! sorted by class are spread over all workers. One worker has all samples, the order of a
//! sequential fit, and its random numbers.

use crate::error::{Error, Result};
use crate::memory::reserved;
use crate::parallel::MAX_THREADS;
use crate::rng::{Purpose, Stream};

/// One worker's part of the samples that it can see.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub(super) worker: usize,
    first: usize,
    step: usize,
    /// The samples that it can see.
    samples: usize,
}

impl Share {
    /// Worker `worker` of `workers`, all of which see all samples. More workers than samples are an
    /// error.
    pub fn of(worker: usize, workers: usize, samples: usize) -> Result<Self> {
        if workers == 0 || worker >= workers || workers > samples.min(MAX_THREADS) {
            let expected = format!("1 to {MAX_THREADS}, and no more than the {samples} samples");
            return Err(Error::invalid("workers", workers, expected));
        }
        Ok(Share { worker, first: worker, step: workers, samples })
    }

    /// A worker that sees its own samples only, all of which are its share.
    pub fn apart(worker: usize, samples: usize) -> Self {
        Share { worker, first: 0, step: 1, samples }
    }

    /// How many samples it has.
    pub fn len(&self) -> usize {
        self.samples.saturating_sub(self.first).div_ceil(self.step)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The seed of its random numbers: the network's own for the first worker.
    pub(super) fn seed(&self, seed: u64) -> u64 {
        match self.worker {
            0 => seed,
            worker => Stream::new(seed, Purpose::Worker, worker as u64, 0).at(0),
        }
    }

    /// Its samples in the order of epoch `epoch` under the network's seed.
    pub(super) fn order(&self, seed: u64, epoch: u64) -> Result<Vec<u32>> {
        let mut order = reserved(self.len(), "the order of samples")?;
        order.extend((self.first..self.samples).step_by(self.step).map(|i| i as u32));
        let stream = Stream::new(self.seed(seed), Purpose::Shuffle, 0, epoch);
        stream.block(0).shuffle(&mut order);
        Ok(order)
    }
}

/// The shares of all workers; an error as in [`Share::of`].
pub(super) fn shares(samples: usize, workers: usize) -> Result<impl Iterator<Item = Share>> {
    Share::of(0, workers, samples)?;
    Ok((0..workers).map_while(move |worker| Share::of(worker, workers, samples).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_every_sample_once() {
        for (samples, workers) in [(1, 1), (7, 3), (9, 3), (5, 5)] {
            let shares: Vec<_> = shares(samples, workers).unwrap().collect();
            let mut all = Vec::new();
            for share in shares {
                let order = share.order(1, 2).unwrap();
                assert_eq!(order.len(), share.len());
                assert!(share.len() >= samples / workers);
                all.extend(order);
            }
            all.sort_unstable();
            assert_eq!(all, (0..samples as u32).collect::<Vec<_>>());
        }
        assert!(shares(2, 3).is_err() && shares(2, 0).is_err());
        assert_eq!(Share::apart(3, 5).order(1, 2).unwrap().len(), 5);
    }
}
