//! Which samples a worker trains on, in which order, and which random numbers it draws.
//!
//! Worker k of K has the samples k, k + K, k + 2K, ...: shares differ by one sample at most, and data
//! sorted by class are spread over all workers. One worker has all samples, the order of a
//! sequential fit, and its random numbers.

use crate::error::{Error, Result};
use crate::memory::reserved;
use crate::parallel::MAX_THREADS;
use crate::rng::{Purpose, Stream};

/// One worker of several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) worker: usize,
    pub(super) workers: usize,
    /// The samples of all workers.
    pub(super) samples: usize,
}

impl Share {
    /// How many samples it has.
    pub(super) fn len(&self) -> usize {
        self.samples.saturating_sub(self.worker).div_ceil(self.workers)
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
        order.extend((self.worker..self.samples).step_by(self.workers).map(|i| i as u32));
        let stream = Stream::new(self.seed(seed), Purpose::Shuffle, 0, epoch);
        stream.block(0).shuffle(&mut order);
        Ok(order)
    }
}

/// The shares of all workers. An error unless there can be so many workers for so many samples.
pub(super) fn shares(samples: usize, workers: usize) -> Result<impl Iterator<Item = Share>> {
    if workers == 0 || workers > samples.min(MAX_THREADS) {
        let expected = format!("1 to {MAX_THREADS}, and no more than the {samples} samples");
        return Err(Error::invalid("workers", workers, expected));
    }
    Ok((0..workers).map(move |worker| Share { worker, workers, samples }))
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
    }
}
