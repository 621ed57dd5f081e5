//! The network: layers of sparse connections, activations, losses, and one training step.

mod activation;
mod layer;
mod loss;
mod mlp;
mod optimizer;
mod standardize;
mod workspace;

pub use activation::{Activation, ActivationKind};
pub use layer::Layer;
pub use loss::{Loss, Score, Targets};
pub use mlp::{Config, Counters, Mlp, Set, Sparsity};
pub use optimizer::{Schedule, Sgd};
pub use standardize::Standardizer;
pub use workspace::{Inference, Workspace};
