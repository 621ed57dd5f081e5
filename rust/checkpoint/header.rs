//! The metadata of a file, a JSON text: its fields in each version of the format.
//!
//! Every field of a version is required, and no other is taken. `docs/file.md` has the rules of
//! the version number.

use serde::{Deserialize, Deserializer, Serialize};

use super::UserData;
use super::reader::{Fault, Result};
use crate::nn::UpdateKind;
use crate::nn::{Activation, Config, Counters, Init, Loss, PerLayer, Sparsity, Standardize, State};

/// The version that is written.
pub const VERSION: u32 = 2;

/// The first version with checksums.
pub const CHECKED: u32 = 2;

/// Counters from here on are refused: they could overflow.
const MOST_COUNTED: u64 = 1 << 63;

/// The fields of the version that is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version that the file has.
    pub version: u32,
    /// The version of the package that wrote it; none before [`CHECKED`].
    #[serde(deserialize_with = "required")]
    pub package: Option<String>,
    pub config: Config,
    pub counters: Counters,
    pub user: UserData,
    /// None if the model was never compacted.
    #[serde(deserialize_with = "required")]
    pub original_layer_sizes: Option<Vec<usize>>,
    /// Of an optimiser other than momentum SGD.
    #[serde(deserialize_with = "required")]
    pub state: Option<State>,
    /// The number of samples that the statistics of inputs are of, 0 of given ones. None without
    /// statistics, and of those of version 1, whose samples are rounded to f32 first.
    #[serde(deserialize_with = "required")]
    pub inputs_seen: Option<f64>,
    /// The sum of the weights of the targets that their units are of; None without units.
    #[serde(deserialize_with = "required")]
    pub targets_seen: Option<f64>,
}

/// A field that may be null but not absent.
fn required<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    T::deserialize(deserializer)
}

#[derive(Deserialize)]
struct Version {
    version: u32,
    package: Option<String>,
}

impl Header {
    /// The fields in a file's metadata, of any known version, with values in their ranges.
    pub fn parse(text: &str) -> Result<Self> {
        let Version { version, package } = serde_json::from_str(text)?;
        let header = match version {
            1 => serde_json::from_str::<First>(text)?.header()?,
            VERSION => serde_json::from_str::<Header>(text)?,
            _ => {
                let by = package.map_or(String::new(), |package| format!(" (by {package})"));
                return Err(Fault::Damage(format!(
                    "format version {version}{by}: expected at most {VERSION}, which {} reads",
                    env!("CARGO_PKG_VERSION")
                )));
            }
        };
        header.config.check()?;
        let Counters { epochs, steps, evolutions, changed_after } = header.counters;
        let counted = [epochs, steps, evolutions, changed_after.unwrap_or(0)];
        if counted.iter().any(|&n| n >= MOST_COUNTED) {
            let counters = header.counters;
            return Err(Fault::Damage(format!("{counters:?}: expected numbers below 2^63")));
        }
        if let Some(change) = changed_after.filter(|&change| change > epochs) {
            let expected = format!("expected at most {epochs}, the number of epochs");
            return Err(Fault::Damage(format!("changed_after = {change}: {expected}")));
        }
        if header.state.is_some_and(|state| state.rule == UpdateKind::default()) {
            return Err(Fault::Damage("state: expected none for sgd".into()));
        }
        Ok(header)
    }
}

/// The fields of version 1, which 0.1.0 wrote. Nothing is added to them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    version: u32,
    config: FirstConfig,
    counters: FirstCounters,
    user: UserData,
    #[serde(default)]
    original_layer_sizes: Vec<usize>,
    /// The beginning of Adam's state.
    adam_since: Option<u64>,
    /// The state of other optimisers.
    state: Option<State>,
}

/// The settings of version 1, in which two could be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstConfig {
    layer_sizes: Vec<usize>,
    sparsity: Sparsity,
    activation: Activation,
    loss: Loss,
    #[serde(default)]
    label_smoothing: f64,
    init: Init,
    dropout: PerLayer<f64>,
    #[serde(default)]
    input_noise: f64,
    standardize: bool,
    seed: u64,
}

/// The counters of version 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstCounters {
    epochs: u64,
    steps: u64,
    evolutions: u64,
}

impl First {
    /// As the fields of today.
    fn header(self) -> Result<Header> {
        let adam = self.adam_since.map(|since| State { rule: UpdateKind::Adam, since });
        let known = |state: State| state.rule != UpdateKind::Adam && adam.is_none();
        if !self.state.is_none_or(known) {
            return Err(Fault::Damage(
                "state: expected none beside adam_since, nor that of adam".into(),
            ));
        }
        let FirstCounters { epochs, steps, evolutions } = self.counters;
        let config = self.config;
        Ok(Header {
            version: self.version,
            package: None,
            config: Config {
                sparsity: config.sparsity,
                activation: config.activation,
                loss: config.loss,
                label_smoothing: config.label_smoothing,
                init: config.init,
                dropout: config.dropout,
                input_noise: config.input_noise,
                standardize: if config.standardize { Standardize::All } else { Standardize::None },
                seed: config.seed,
                // A setting that came later has its value of here: what it was before there was it.
                ..Config::plain(config.layer_sizes)
            },
            counters: Counters { epochs, steps, evolutions, changed_after: None },
            user: self.user,
            original_layer_sizes: Some(self.original_layer_sizes).filter(|sizes| !sizes.is_empty()),
            state: adam.or(self.state),
            inputs_seen: None,
            targets_seen: None,
        })
    }
}
