//! The network: layers of sparse connections, activations, losses, and one training step.

mod activation;
mod compact;
mod layer;
mod loss;
mod mlp;
mod optimizer;
mod prune;
mod standardize;
mod workspace;

pub use activation::{Activation, ActivationKind};
pub use compact::{Origin, Removed};
pub use layer::Layer;
pub use loss::{Loss, Score, Targets};
pub use mlp::{Config, Counters, Mlp, Set, Sparsity};
pub use optimizer::{Schedule, Sgd};
pub use prune::{Pruned, Pruning, Refusal};
pub use standardize::Standardizer;
pub use workspace::{Inference, Workspace};
