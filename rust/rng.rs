//! Counter-based random numbers: every number is a pure function of
//! `(seed, purpose, layer, epoch, index)`.
//!
//! Any thread can compute any number without having computed the ones before it, so results do
//! not depend on how work is split, and saving the counters is enough to continue a run exactly.
//! A [`Stream`] is SplitMix64 (Steele, Lea, Flood 2014; Stafford's mixing variant 13) started at
//! a key: word `i` costs three multiplications, needs no state and vectorises.

/// What a stream is used for; streams of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Which connections exist at the start.
    Structure = 1,
    /// Initial weights.
    Weights = 2,
    /// The order of samples in an epoch.
    Shuffle = 3,
    /// Dropout masks.
    Dropout = 4,
    /// Where new connections grow.
    GrowPlaces = 5,
    /// The weights of new connections.
    GrowValues = 6,
    /// Noise on the inputs while training.
    InputNoise = 7,
    /// The seeds of further workers.
    Worker = 8,
    /// The samples whose gradients say where connections grow.
    GrowBatch = 9,
    /// How images are turned, moved and mirrored.
    Augmentation = 10,
    /// The order of blocks of rows in an epoch.
    Blocks = 11,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A random function from a 64-bit index to a 64-bit word.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of `purpose` in `layer` at `epoch` (or step) under `seed`.
    pub fn new(seed: u64, purpose: Purpose, layer: u64, epoch: u64) -> Self {
        let key = [seed, purpose as u64, layer, epoch].iter().fold(GOLDEN, |key, &word| {
            mix(key ^ mix(word.wrapping_add(GOLDEN))).wrapping_add(GOLDEN)
        });
        Stream { key }
    }

    /// Word number `index`.
    #[inline(always)]
    pub fn at(&self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// The words `block << 32, (block << 32) + 1, ...`: for work that draws an unknown number of
    /// words (below 2^32) for each row or chunk.
    pub fn block(&self, block: u64) -> Block {
        Block { stream: *self, next: block << 32 }
    }
}

/// A sequential reader of one block of a [`Stream`].
#[derive(Clone, Debug)]
pub struct Block {
    stream: Stream,
    next: u64,
}

impl Block {
    /// The next word.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let word = self.stream.at(self.next);
        self.next += 1;
        word
    }

    /// Uniform in `0..n` without bias (Lemire's method). `n` must not be 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        debug_assert!(n > 0, "below(0)");
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            let low = wide as u64;
            if low >= n || low >= n.wrapping_neg() % n {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Shuffles in place (Fisher-Yates): every order is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// A word as a number in (0, 1], 53 bits.
#[inline]
pub fn open_unit(word: u64) -> f64 {
    ((word >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A word as a number in (-1, 1) that is never 0, symmetric about it, 24 bits.
#[inline]
pub fn symmetric(word: u64) -> f32 {
    // Odd multiples of 2^-24: exact in f32, and the smallest magnitude is 2^-24.
    ((word >> 40) as i32 * 2 - ((1 << 24) - 1)) as f32 * (1.0 / (1 << 24) as f32)
}

/// Two words as one draw of the standard normal distribution (Box-Muller), portable bits.
pub fn normal(first: u64, second: u64) -> f32 {
    let radius = libm::sqrt(-2.0 * libm::log(open_unit(first)));
    (radius * libm::cos(std::f64::consts::TAU * open_unit(second))) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_neighbouring_keys_share_nothing() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..4 {
            for purpose in [Purpose::Structure, Purpose::Dropout] {
                for layer in 0..4 {
                    for epoch in 0..4 {
                        let s = Stream::new(seed, purpose, layer, epoch);
                        for i in 0..64 {
                            assert!(seen.insert(s.at(i)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn below_is_uniform() {
        let mut block = Stream::new(7, Purpose::Structure, 0, 0).block(0);
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[block.below(7) as usize] += 1);
        // Five standard deviations of a binomial with mean 10,000.
        assert!(
            counts.iter().all(|&c| (c as f64 - 1e4).abs() < 5.0 * (1e4f64 * 6.0 / 7.0).sqrt()),
            "{counts:?}"
        );
    }

    #[test]
    fn distributions_have_their_moments() {
        let s = Stream::new(1, Purpose::Weights, 2, 3);
        let n = 200_000;
        let (mut mean, mut var, mut nmean, mut nvar) = (0.0, 0.0, 0.0, 0.0);
        for i in 0..n {
            let u = f64::from(symmetric(s.at(i)));
            let z = f64::from(normal(s.at(2 * i), s.at(2 * i + 1)));
            assert!(u != 0.0 && u.abs() < 1.0);
            mean += u;
            var += u * u;
            nmean += z;
            nvar += z * z;
        }
        let n = n as f64;
        assert!((mean / n).abs() < 0.01 && (var / n - 1.0 / 3.0).abs() < 0.01);
        assert!((nmean / n).abs() < 0.01 && (nvar / n - 1.0).abs() < 0.02);
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..1000).collect();
        Stream::new(0, Purpose::Shuffle, 0, 1).block(0).shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
