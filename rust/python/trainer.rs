//! A fit as a Python object: data, plan and buffers that live as long as it does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use super::data::Data;
use super::network::Network;
use super::parse;
use super::rules::{Evolved, told};
use super::until_tick;
use crate::csr::Csr;
use crate::memory::{copied, filled};
use crate::nn::{Footprint, Places, Workspace};
use crate::topology::NamedRule;
use crate::train::{Epoch, Plan, Progress, Sweep, evolve, gradient_at, single_step};

/// Everything that the epochs of one fit have in common; all memory is taken at construction.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Trainer {
    network: Py<Network>,
    data: Py<Data>,
    plan: Mutex<Plan>,
    growth_batch: usize,
    workspace: Mutex<Workspace>,
    multiply_adds: AtomicU64,
}

impl Trainer {
    fn plan(&self) -> Plan {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Trainer {
    /// `evolves`: candidates for growth per connection, None if the topology does not evolve;
    /// `growth_batch`: samples whose gradients say where connections grow, 0 for those of a step.
    #[new]
    #[pyo3(signature = (
        network, data, batch_size, optimizer, total_steps, evolves, memory, growth_batch=0
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        network: Py<Network>,
        data: Py<Data>,
        batch_size: usize,
        optimizer: &str,
        total_steps: u64,
        evolves: Option<f64>,
        memory: &str,
        growth_batch: usize,
    ) -> PyResult<Self> {
        let memory = parse::memory(memory)?;
        let batch_size = batch_size.min(data.get().samples());
        let growth_batch = match growth_batch {
            0 => batch_size,
            size => size.min(data.get().samples()),
        };
        let plan = Plan { batch_size, optimizer: parse::optimizer(optimizer)?, total_steps };
        plan.check()?;
        let par = network.get().par()?;
        let workspace = data.get().with(py, |data| {
            let mut mlp = network.get().write()?;
            mlp.check_optimizer(&plan.optimizer)?;
            let moments = plan.optimizer.kind().moments();
            let largest = batch_size.max(growth_batch);
            let footprint = Footprint::of(&mlp, largest, evolves, memory, moments);
            data.adjust(footprint, &mlp, largest)?.check(mlp.bytes())?;
            mlp.prepare_training(&par, memory)?;
            Workspace::new(&mlp, largest, memory)
        })?;
        let (plan, workspace) = (Mutex::new(plan), Mutex::new(workspace));
        let multiply_adds = AtomicU64::new(0);
        Ok(Trainer { network, data, plan, growth_batch, workspace, multiply_adds })
    }

    /// As `Network.evolve`, also by a rule that needs samples: the gradients are those on a batch.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Evolved>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, told::<NamedRule>("rule", rule)?);
        let layers = self.data.get().with(py, |data| {
            let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
            let mlp = &mut *network.write()?;
            evolve(&par, mlp, &mut workspace, data, self.growth_batch, &rule)
        })?;
        Ok(Evolved::all(layers))
    }

    /// Gradients of the mean loss at places of a layer, offsets and columns of a matrix with a row
    /// per output neuron, on the batch of the next evolution.
    fn gradient_at<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
        indptr: PyReadonlyArray1<'py, i64>,
        indices: PyReadonlyArray1<'py, u32>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let network = self.network.get();
        let par = network.par()?;
        let indptr = super::kernels::offsets(&indptr)?;
        let indices = copied(indices.as_slice()?, "places")?;
        let gradients = self.data.get().with(py, |data| {
            let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
            let mlp = network.read()?;
            let n_in = mlp.layers().get(layer).map_or(0, |layer| layer.weights().n_cols());
            let zeros = filled(indices.len(), 0.0, "places")?;
            let places = Csr::new(n_in, indptr, indices, zeros)?;
            let at = Places { layer, pattern: places.pattern() };
            gradient_at(&par, &mlp, &mut workspace, data, self.growth_batch, at)
        })?;
        Ok(PyArray1::from_vec(py, gradients))
    }

    /// (loss, accuracy) on other data, in the batches of the fit and in its buffers.
    fn evaluate(&self, py: Python<'_>, data: &Data) -> PyResult<(f64, f64)> {
        let network = self.network.get();
        let par = network.par()?;
        let batch_size = self.plan().batch_size;
        let lock = || self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sweep = data.with(py, |data| {
            let mlp = network.read()?;
            data.check(&mlp)?;
            let inference = lock().lend(&mlp, batch_size)?;
            Sweep::within(inference, &mlp, data, batch_size)
        })?;
        let mut run = || -> PyResult<()> {
            while !sweep.is_finished() {
                data.with(py, |data| sweep.evaluate(&par, &*network.read()?, data, until_tick()))?;
                py.check_signals()?;
            }
            Ok(())
        };
        let done = run();
        let score = sweep.progress().score;
        py.detach(|| lock().take_back(sweep.into_inference()));
        done?;
        Ok((score.mean_loss(), score.accuracy()))
    }

    /// The learning rate of step `step` of the fit.
    fn learning_rate(&self, step: u64) -> f64 {
        self.plan().learning_rate(1.0, step)
    }

    /// The learning rate before the schedule.
    #[getter]
    fn base_rate(&self) -> f64 {
        self.plan().optimizer.learning_rate
    }

    /// Sets it, for epochs that are yet to begin.
    fn set_base_rate(&self, rate: f64) -> PyResult<()> {
        let mut plan = self.plan();
        plan.optimizer.learning_rate = rate;
        plan.check()?;
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
        Ok(())
    }

    /// Multiplications with additions of all steps and complete epochs so far.
    #[getter]
    fn multiply_adds(&self) -> u64 {
        self.multiply_adds.load(Ordering::Relaxed)
    }

    /// One step over all samples in their order, which must fit one batch; counts no epoch.
    /// Returns (loss, accuracy).
    fn step(&self, py: Python<'_>) -> PyResult<(f64, f64)> {
        let network = self.network.get();
        let par = network.par()?;
        let plan = self.plan();
        let score = self.data.get().with(py, |data| {
            let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
            single_step(&par, &mut *network.write()?, &mut workspace, data, &plan.optimizer)
        })?;
        self.multiply_adds.fetch_add(score.multiply_adds, Ordering::Relaxed);
        Ok((score.mean_loss(), score.accuracy()))
    }

    /// One epoch, starting at step `first_step` of the fit; returns (loss, accuracy). About every
    /// 100 ms signals are looked at and `tick(samples done, loss, accuracy)` is called, if given;
    /// what they raise ends the epoch at a completed step.
    #[pyo3(signature = (first_step, tick=None))]
    fn epoch(
        &self,
        py: Python<'_>,
        first_step: u64,
        tick: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(f64, f64)> {
        let (network, data) = (self.network.get(), self.data.get());
        let (par, plan) = (network.par()?, self.plan());
        let mut epoch =
            data.with(py, |data| Epoch::new(&*network.read()?, data, plan, first_step))?;
        while !epoch.is_finished() {
            // The lock is let go at every tick and when somebody waits for it: other threads may
            // look at a completed step.
            data.with(py, |data| {
                let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
                let mut go_on = until_tick();
                loop {
                    let alone = || go_on() && !network.has_waiting_readers();
                    epoch.run(&par, &mut *network.write()?, &mut workspace, data, alone)?;
                    network.let_readers_in();
                    if epoch.is_finished() || !go_on() {
                        return Ok(());
                    }
                }
            })?;
            py.check_signals()?;
            if let Some(tick) = &tick {
                let Progress { done, score, .. } = epoch.progress();
                tick.call1((done, score.mean_loss(), score.accuracy()))?;
            }
        }
        let score = epoch.progress().score;
        self.multiply_adds.fetch_add(score.multiply_adds, Ordering::Relaxed);
        Ok((score.mean_loss(), score.accuracy()))
    }
}
