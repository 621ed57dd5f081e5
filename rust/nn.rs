//! The network: layers of sparse connections, activations, losses, and one training step.

mod activation;
mod average;
mod compact;
mod footprint;
mod gradient;
mod growth;
mod input;
mod layer;
mod loss;
mod mlp;
mod moments;
mod optimizer;
mod per_layer;
mod prune;
mod schedule;
mod sparsity;
mod srelu;
mod standardize;
mod workspace;

pub use activation::{Activation, ActivationKind};
pub use compact::{Origin, Removed};
pub use footprint::{Footprint, shown};
pub use gradient::{Gradient, GradientView, Layout, Replica};
pub use growth::{Change, GradientGrowth};
pub use input::Buffers;
pub use layer::Layer;
pub use loss::{Answers, Loss, Score, Targets};
pub use mlp::{Config, Counters, Draw, Mlp, Set, Sources};
pub use optimizer::{LayerRates, Optimizer, Rule, Update};
pub use per_layer::PerLayer;
pub use prune::{Pruned, Pruning, Refusal};
pub use schedule::{Fall, Schedule};
pub use sparsity::{Allocation, Sparsity};
pub use srelu::SRelu;
pub use standardize::Standardizer;
pub use workspace::{Inference, Memory, Workspace};
