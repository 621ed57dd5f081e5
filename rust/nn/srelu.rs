//! SReLU's parameters, four trained numbers for every neuron, and how they pass through a step.

use super::layer::Layer;
use super::optimizer::Update;
use crate::error::{Error, Result};
use crate::kernels::{Parameters, SRELU_PARAMETERS, Step, spend_stored, srelu_of};
use crate::memory::{copied, filled, reserved};
use crate::parallel::Par;

const WHAT: &str = "parameters of SReLU";

/// The parameters of a layer's neurons and their momentum, each (n_out, [`SRELU_PARAMETERS`]): the
/// lower threshold, the slope below it, the upper threshold and the slope above it.
#[derive(Clone, Debug, PartialEq)]
pub struct SRelu {
    pub(super) parameters: Vec<f32>,
    pub(super) momentum: Vec<f32>,
}

impl SRelu {
    /// What a neuron starts with: a leaky ReLU of slope 0.2 that can bend above 1 (Jin et al.,
    /// 2016, who take the upper threshold from the data).
    pub const START: [f32; SRELU_PARAMETERS] = [0.0, 0.2, 1.0, 1.0];

    /// Parameters for `neurons` neurons, without momentum.
    pub fn new(neurons: usize) -> Result<Self> {
        let mut parameters = reserved(neurons * SRELU_PARAMETERS, WHAT)?;
        (0..neurons).for_each(|_| parameters.extend(Self::START));
        let momentum = filled(parameters.len(), 0.0, WHAT)?;
        Ok(SRelu { parameters, momentum })
    }

    /// Parameters and momentum, checked.
    pub fn from_parts(neurons: usize, parameters: Vec<f32>, momentum: Vec<f32>) -> Result<Self> {
        let expected = neurons * SRELU_PARAMETERS;
        for (name, values) in [("srelu", &parameters), ("srelu momentum", &momentum)] {
            if values.len() != expected {
                let found = format!("{} values", values.len());
                return Err(Error::invalid(name, found, expected.to_string()));
            }
        }
        Ok(SRelu { parameters, momentum })
    }

    /// The parameters, (n_out, [`SRELU_PARAMETERS`]).
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Their momentum, (n_out, [`SRELU_PARAMETERS`]).
    pub fn momentum(&self) -> &[f32] {
        &self.momentum
    }

    /// A copy without the state of the optimiser.
    pub(super) fn values_only(&self) -> Result<Self> {
        Ok(SRelu { parameters: copied(&self.parameters, WHAT)?, momentum: Vec::new() })
    }

    /// A copy.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let momentum = copied(&self.momentum, WHAT)?;
        Ok(SRelu { parameters: copied(&self.parameters, WHAT)?, momentum })
    }

    /// The parameters of the neurons `kept`.
    pub(super) fn restricted(&self, kept: &[u32]) -> Result<Self> {
        let pick = |values: &[f32]| {
            let mut picked = reserved(kept.len() * SRELU_PARAMETERS, WHAT)?;
            let of = |&i: &u32| &values[i as usize * SRELU_PARAMETERS..][..SRELU_PARAMETERS];
            kept.iter().map(of).for_each(|own| picked.extend_from_slice(own));
            Ok::<_, Error>(picked)
        };
        Ok(SRelu { parameters: pick(&self.parameters)?, momentum: pick(&self.momentum)? })
    }

    /// The activation of neuron `index`.
    pub(super) fn apply(&self, index: usize, z: f32) -> f32 {
        srelu_of(&self.parameters[index * SRELU_PARAMETERS..][..SRELU_PARAMETERS], z)
    }

    /// Its parameters as a step of the optimiser takes them.
    fn parameters_mut(&mut self) -> Parameters<'_> {
        let (values, momentum) = (&mut self.parameters, &mut self.momentum);
        Parameters { values, momentum, second: &mut [] }
    }

    /// One step from the sum of gradients, (n_out, [`SRELU_PARAMETERS`]) each, that were summed
    /// over a batch. There is no decay: thresholds and slopes should not tend to 0.
    pub(super) fn step(&mut self, par: &Par, gradients: &[&[f32]], update_by: &Update) {
        let step = Step { decay: 0.0, ..update_by.of_biases() };
        spend_stored(par, gradients, &step, self.parameters_mut());
    }
}

impl Layer {
    /// SReLU's parameters, if that is the layer's activation.
    pub fn srelu(&self) -> Option<&SRelu> {
        self.srelu.as_ref()
    }

    /// Parameters besides the weights: biases and SReLU's.
    pub(super) fn others(&self) -> usize {
        self.bias.len() + self.srelu.as_ref().map_or(0, |srelu| srelu.parameters.len())
    }

    /// One step of the parameters besides the weights, from the sum of gradients, biases before
    /// SReLU's.
    pub(super) fn step_others(&mut self, gradients: &[&[f32]], update_by: &Update) {
        let (par, cut) = (Par::seq(), self.bias.len());
        let (biases, srelus): (Vec<_>, Vec<_>) = gradients.iter().map(|g| g.split_at(cut)).unzip();
        spend_stored(&par, &biases, &update_by.of_biases(), self.biases_mut());
        if let Some(srelu) = &mut self.srelu {
            srelu.step(&par, &srelus, update_by);
        }
    }

    /// Takes over the values of the parameters besides the weights, biases before SReLU's.
    pub(super) fn set_others(&mut self, values: &[f32]) {
        let (bias, srelu) = values.split_at(self.bias.len());
        self.bias.copy_from_slice(bias);
        if let Some(own) = &mut self.srelu {
            own.parameters.copy_from_slice(srelu);
        }
    }

    /// Sets SReLU's parameters.
    pub fn set_srelu(&mut self, srelu: SRelu) -> Result<()> {
        let neurons = self.weights.n_rows();
        self.srelu = Some(SRelu::from_parts(neurons, srelu.parameters, srelu.momentum)?);
        Ok(())
    }
}
