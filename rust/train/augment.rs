//! Augmentation of images: every sample of a batch is turned, moved and mirrored a little, anew each
//! time that it is used.
//!
//! What happens to a sample is a function of the seed, the step and the sample's number, so it is the
//! same for any number of threads, and a fit that goes on does not repeat what was there.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::kernels::{Affine, Frame, warp};
use crate::nn::Draw;
use crate::parallel::Par;
use crate::rng::{Purpose, Stream, symmetric};

/// Below this many values a batch stays on the calling thread.
const GRAIN: usize = 1 << 13;

/// How images are changed: first turned about their centre, then moved, then mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// The shape of an image.
    pub frame: Frame,
    /// The largest angle, in degrees, either way.
    pub rotation: f64,
    /// The largest shift, as a part of the height and of the width, either way.
    pub shift: f64,
    /// Whether every other image, on the average, is mirrored left to right.
    pub mirror: bool,
}

/// What happens to one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// The angle in degrees.
    pub angle: f64,
    /// Rows and columns by which sources are moved.
    pub shift: [f64; 2],
    /// Whether it is mirrored.
    pub mirror: bool,
}

impl Augmentation {
    /// Checks every value and the size of an image; the message names the argument.
    pub fn check(&self, features: usize) -> Result<()> {
        let Frame { height, width, channels } = self.frame;
        let refuse = |value, expected| Err(Error::invalid("augment", value, expected));
        let shape = format!("images of shape ({height}, {width}, {channels})");
        if height == 0 || width == 0 || channels == 0 || height.max(width) > Frame::MOST {
            let expected = format!("sides from 1 to {} and at least one channel", Frame::MOST);
            return refuse(shape, expected);
        }
        if self.frame.values() != Some(features) {
            return refuse(
                shape,
                format!("images of {features} values, as many as the model has inputs"),
            );
        }
        if !(0.0..=180.0).contains(&self.rotation) || !(0.0..=1.0).contains(&self.shift) {
            let value = format!("rotation {} and shift {}", self.rotation, self.shift);
            return refuse(value, "degrees in [0, 180] and a part of the image in [0, 1]".into());
        }
        Ok(())
    }

    /// What happens to a sample of the batch that is drawn for.
    pub fn motion(&self, draw: Draw, sample: u32) -> Motion {
        let stream = Stream::new(draw.seed, Purpose::Augmentation, 0, draw.step);
        let word = |k: u64| stream.at(4 * u64::from(sample) + k);
        let uniform = |k, most: f64| most * f64::from(symmetric(word(k)));
        Motion {
            angle: uniform(0, self.rotation),
            shift: [
                uniform(1, self.shift * self.frame.height as f64),
                uniform(2, self.shift * self.frame.width as f64),
            ],
            mirror: self.mirror && word(3) >> 63 == 1,
        }
    }

    /// Where pixels of the changed image come from.
    fn map(&self, motion: &Motion) -> Affine {
        let angle = motion.angle.to_radians();
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        let centre = [self.frame.height, self.frame.width].map(|size| (size - 1) as f64 / 2.0);
        // Of a mirrored image the columns count from its right end.
        let (first, step) = if motion.mirror { (2.0 * centre[1], -1.0) } else { (0.0, 1.0) };
        let [y, x] = [motion.shift[0] - centre[0], first + motion.shift[1] - centre[1]];
        Affine {
            origin: [centre[0] + cos * y - sin * x, centre[1] + sin * y + cos * x],
            down: [cos, sin],
            right: [-sin * step, cos * step],
        }
    }

    /// Writes the changed images of some samples of `x`, (samples, features), to `out`, (batch,
    /// features), in the order of `samples`.
    ///
    /// # Panics
    /// If lengths do not belong together.
    pub fn apply(&self, par: &Par, x: &[f32], samples: &[u32], draw: Draw, out: &mut [f32]) {
        let features = self.frame.values().expect("internal: a checked shape");
        assert_eq!(out.len(), samples.len() * features, "internal: out is (batch, features)");
        par.for_rows(
            0..samples.len(),
            GRAIN,
            out,
            |lane| lane * features,
            |out, range, mid| out.split_at_mut((mid - range.start) * features),
            |lanes, out| {
                for (&sample, out) in samples[lanes].iter().zip(out.chunks_exact_mut(features)) {
                    let image = &x[sample as usize * features..][..features];
                    let map = self.map(&self.motion(draw, sample));
                    warp(image, self.frame, &map, out);
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAW: Draw = Draw { seed: 3, step: 5 };

    fn augmentation(height: usize, width: usize, channels: usize) -> Augmentation {
        let frame = Frame { height, width, channels };
        Augmentation { frame, rotation: 10.0, shift: 0.1, mirror: true }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |a: Augmentation, features| a.check(features).unwrap_err().to_string();
        assert!(augmentation(4, 3, 2).check(24).is_ok());
        assert!(refused(augmentation(4, 3, 2), 25).contains("augment = images of shape (4, 3, 2)"));
        for shape in [[0, 3, 2], [4, 0, 2], [4, 3, 0], [Frame::MOST + 1, 1, 1]] {
            let [h, w, c] = shape;
            assert!(refused(augmentation(h, w, c), h * w * c).contains("sides from 1 to 65536"));
        }
        assert!(refused(augmentation(1 << 16, 1 << 16, 1 << 40), 0).contains("as many as"));
        let turned = |rotation| Augmentation { rotation, ..augmentation(4, 3, 2) };
        let moved = |shift| Augmentation { shift, ..augmentation(4, 3, 2) };
        for wrong in [turned(181.0), turned(f64::NAN), moved(-0.1), moved(f64::NAN)] {
            assert!(refused(wrong, 24).contains("degrees in [0, 180]"));
        }
    }

    #[test]
    fn images_are_those_of_their_numbers() {
        let (augmentation, features) = (augmentation(9, 7, 3), 9 * 7 * 3);
        let x: Vec<f32> = (0..20 * features).map(|i| (i * 7919 % 101) as f32).collect();
        let of = |par: &Par, samples: &[u32]| {
            let mut out = vec![0.0; samples.len() * features];
            augmentation.apply(par, &x, samples, DRAW, &mut out);
            out
        };
        let all: Vec<u32> = (0..20).collect();
        let whole = of(&Par::seq(), &all);
        for threads in [2, 3, 7] {
            let par = Par::new(threads).unwrap();
            let many: Vec<u32> = (0..400).map(|i| i * 13 % 20).collect();
            for (&sample, image) in many.iter().zip(of(&par, &many).chunks_exact(features)) {
                assert_eq!(image, &whole[sample as usize * features..][..features]);
            }
        }
    }
}
