//! What a network and its training take in memory, known before anything is allocated.

use super::batch::few;
use super::config::Config;
use super::mlp::Mlp;
use super::workspace::{Memory, Slots};
use crate::error::{Error, Result};
use crate::kernels::{Needs, SRELU_PARAMETERS, stride, words};
use crate::memory::available;
use crate::topology::{candidate_bytes, expected_connections};

/// Bytes by what they are for. Only what grows with the network or the batch is counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Footprint {
    /// Connections of all layers.
    pub connections: f64,
    /// Neurons of all layers, inputs included.
    pub neurons: usize,
    /// Names and bytes.
    pub parts: Vec<(&'static str, f64)>,
    /// Those of the first layer, which sparse samples need more for.
    pub first: Sizes,
}

/// One layer's sizes: inputs, outputs, connections (expected ones, so with a fraction).
pub type Sizes = (f64, f64, f64);

impl Footprint {
    /// The footprint of a network that is yet to be made, and of its training on batches of `batch`
    /// samples; without training if that is 0. `evolves`: candidates for growth that an evolution
    /// looks at for each connection, 0 in SET; None without evolutions. `moments`: how many numbers
    /// the update rule keeps for each parameter.
    pub fn expected(
        config: &Config,
        batch: usize,
        evolves: Option<f64>,
        memory: Memory,
        moments: usize,
    ) -> Result<Self> {
        config.check()?;
        let layer = |(pair, probability): (&[usize], f64)| {
            let (n_in, n_out) = (pair[0], pair[1]);
            let nnz = expected_connections(n_in, n_out, probability)?;
            Ok((n_in as f64, n_out as f64, nnz))
        };
        let probabilities = config.sparsity.probabilities(&config.layer_sizes);
        let layers = config.layer_sizes.windows(2).zip(probabilities).map(layer);
        let layers = layers.collect::<Result<Vec<_>>>()?;
        Ok(Self::of_layers(config, &layers, batch, evolves, memory, moments))
    }

    /// The footprint of a network as it is, trained with `moments` numbers a parameter; see
    /// [`Footprint::expected`].
    pub fn of(
        model: &Mlp,
        batch: usize,
        evolves: Option<f64>,
        memory: Memory,
        moments: usize,
    ) -> Self {
        let layer = |l: &super::Layer| {
            let w = l.weights();
            (w.n_cols() as f64, w.n_rows() as f64, w.nnz() as f64)
        };
        let layers: Vec<_> = model.layers.iter().map(layer).collect();
        Self::of_layers(model.config(), &layers, batch, evolves, memory, moments)
    }

    fn of_layers(
        config: &Config,
        layers: &[Sizes],
        batch: usize,
        evolves: Option<f64>,
        memory: Memory,
        moments: usize,
    ) -> Self {
        let sum = |bytes: &dyn Fn(&Sizes) -> f64| layers.iter().map(bytes).sum::<f64>();
        let connections = sum(&|&(_, _, nnz)| nnz);
        let neurons = config.layer_sizes.iter().sum();
        let mut parts = vec![
            ("weights and their columns", 8.0 * connections),
            ("momentum", 4.0 * connections),
            ("biases with momentum, row offsets", sum(&|&(_, n_out, _)| 16.0 * n_out)),
            ("parameters of SReLU with momentum", 8.0 * srelu_parameters(config).0),
        ];
        if moments > 1 {
            let more = 4.0 * (moments - 1) as f64;
            let more = sum(&|&(_, n_out, nnz)| more * (nnz + n_out));
            parts.push(("second moments", more));
        }
        if batch > 0 {
            if memory == Memory::Fast {
                let indices = layers[1..].iter().map(|&(n_in, _, nnz)| 8.0 * nnz + 8.0 * n_in);
                parts.push(("transpose index", indices.sum()));
            }
            parts.extend(buffers(config, batch, memory));
            if let Some(candidates) = evolves {
                let evolved = layers[..layers.len() - 1].iter();
                // To move second moments takes a map of the connections.
                let each = if moments > 1 { 28.0 } else { 20.0 };
                let most = evolved.clone().map(|&(_, n_out, nnz)| each * nnz + 8.0 * n_out);
                parts.push(("evolution of a layer", most.fold(0.0, f64::max)));
                if candidates > 0.0 {
                    let most = evolved.map(|&(n_in, n_out, nnz)| {
                        candidate_bytes(n_out, (candidates * nnz).min(n_in * n_out))
                    });
                    parts.push(("candidates for growth", most.fold(0.0, f64::max)));
                }
            }
        }
        parts.retain(|(_, bytes)| *bytes > 0.0);
        Footprint { connections, neurons, parts, first: layers[0] }
    }

    /// The same footprint for sparse batches of `batch` samples that store `stored` values each; None
    /// for dense ones.
    pub fn storing(self, batch: usize, stored: Option<f64>) -> Self {
        let Some(stored) = stored else { return self };
        let (all, values) = (self.first.0, stored * batch as f64);
        self.sparse_inputs(batch, [values.min(all), values], stored <= few() * all)
    }

    /// The same footprint for sparse batches of `batch` samples that have at most `features` of the
    /// features and `values` stored values together, and whose work goes by the values if these are `few`.
    pub fn sparse_inputs(mut self, batch: usize, [features, values]: [f64; 2], few: bool) -> Self {
        let (all, outputs, nnz) = self.first;
        let lane = 4.0 * stride(batch) as f64;
        let share = features / all;
        let rows = if few { 0.0 } else { features };
        for (what, bytes) in &mut self.parts {
            if *what == "activations" {
                *bytes -= (all - rows) * lane;
            }
        }
        if !few {
            // The connections from those features with their gradients, and the set of features.
            self.parts.push(("sparse inputs", 16.0 * nnz * share + 12.0 * all / 64.0));
            return self;
        }
        // Copies of connections and of values by sample and by feature; what is known of each feature;
        // gradients of all connections, where every one makes a step.
        let copies = 28.0 * nnz * share + 16.0 * values + 16.0 * features;
        let scratch = 4.0 * batch as f64 * outputs;
        self.parts.push(("sparse inputs", copies + 8.0 * all + 4.0 * nnz + scratch));
        self.parts.push(("index of the first layer", 8.0 * nnz + 8.0 * all));
        self
    }

    /// The same footprint for samples that are changed before they become a batch of `batch`.
    pub fn changed_inputs(mut self, model: &Mlp, batch: usize) -> Self {
        let bytes = 4.0 * batch as f64 * model.config().layer_sizes[0] as f64;
        self.parts.push(("augmented samples", bytes));
        self
    }

    /// All parts together.
    pub fn total(&self) -> f64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Fails unless the machine has the memory. `taken`: bytes that the process has already. The
    /// message says how much is needed and how much there is.
    pub fn check(&self, taken: f64) -> Result<()> {
        // To ask the system takes as long as to train such a network on a batch.
        if self.total() < SMALL {
            return Ok(());
        }
        match available() {
            Some(free) if self.total() - taken > free as f64 => Err(Error::TooLarge {
                needed: self.total() as u128,
                taken: taken as u128,
                available: free.into(),
                parts: self.parts.iter().map(|(what, b)| format!("{what} {}", shown(*b))).collect(),
            }),
            _ => Ok(()),
        }
    }
}

/// Bytes that are taken without asking whether the machine has them.
const SMALL: f64 = (4 << 20) as f64;

/// SReLU's parameters of all layers, and of the largest of them.
fn srelu_parameters(config: &Config) -> (f64, f64) {
    let sizes = config.srelu_sizes();
    let parameters = |n: usize| (n * SRELU_PARAMETERS) as f64;
    (sizes.iter().map(|&n| parameters(n)).sum(), parameters(*sizes.iter().max().unwrap_or(&0)))
}

/// The buffers of [`super::Workspace`].
fn buffers(config: &Config, batch: usize, memory: Memory) -> Vec<(&'static str, f64)> {
    let (stride, words) = (stride(batch) as f64, words(stride(batch)) as f64);
    let sizes = &config.layer_sizes;
    let rows = Slots::new(sizes, memory).rows(sizes);
    let last = sizes.len() - 1;
    let hidden = 1..last;
    let units = |keep: &dyn Fn(usize) -> bool| {
        hidden.clone().filter(|&l| keep(l)).map(|l| sizes[l] as f64).sum::<f64>()
    };
    let signs = units(&|l| config.activation.needs(l) == Needs::Signs);
    let kept = units(&|l| config.dropout.of(l - 1) > 0.0);
    let largest = hidden.clone().map(|l| sizes[l]).max().unwrap_or(0) as f64;
    let deltas = if last > 2 { 2.0 } else { 1.0 };
    let kept_z = config.sizes_needing(Needs::PreActivations);
    let curved = Slots::new(sizes, memory).rows(&kept_z);
    vec![
        ("pre-activations", 4.0 * stride * curved.iter().map(|&n| n as f64).sum::<f64>()),
        ("gradients of SReLU", 4.0 * srelu_parameters(config).1),
        ("activations", 4.0 * stride * rows.iter().map(|&n| n as f64).sum::<f64>()),
        ("deltas", 4.0 * stride * largest * deltas),
        ("signs of activations", 2.0 * words * signs),
        ("dropout", 2.0 * words * kept),
    ]
}

/// Bytes for people.
pub fn shown(bytes: f64) -> String {
    match bytes {
        b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.0} kB", (b / 1e3).ceil()),
    }
}
