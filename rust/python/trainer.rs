//! A fit as a Python object: data, settings and buffers that live as long as it does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use serde::Deserialize;

use super::convert::{from_json, offsets};
use super::data::Data;
use super::judge::{Measured, measured};
use super::network::Network;
use super::results::Scores;
use super::rules::LayerTurnover;
use super::until_tick;
use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{copied, filled};
use crate::nn::{Footprint, Memory, Mlp, Places, Workspace};
use crate::topology::NamedRule;
use crate::train::{
    DataView, Epoch, FitSettings, InferencePass, Part, Progress, evolve, gradient_at,
    shares_batches, single_step,
};

/// A fit on one network, and the memory that it may take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainerSettings {
    /// How it takes its steps.
    fit: FitSettings,
    memory: Memory,
    /// Candidates for growth per connection; None if the topology does not evolve.
    candidates: Option<f64>,
    /// Samples whose gradients say where connections grow; 0 for those of a step.
    growth_batch: usize,
}

/// Everything that the epochs of one fit have in common; all memory is taken at construction.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Trainer {
    network: Py<Network>,
    data: Py<Data>,
    settings: Mutex<FitSettings>,
    growth_batch: usize,
    workspace: Mutex<Workspace>,
    multiply_adds: AtomicU64,
    limited: AtomicU64,
}

impl Trainer {
    fn settings(&self) -> FitSettings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Trainer {
    /// `settings`: JSON of `TrainerSettings`.
    #[new]
    fn new(py: Python<'_>, network: Py<Network>, data: Py<Data>, settings: &str) -> PyResult<Self> {
        let TrainerSettings { fit: mut settings, memory, candidates, growth_batch } =
            from_json("settings", settings)?;
        settings.batch_size = settings.batch_size.min(data.get().samples());
        let batch_size = settings.batch_size;
        let growth_batch = match growth_batch {
            0 => batch_size,
            size => size.min(data.get().samples()),
        };
        settings.check()?;
        let par = network.get().par()?;
        let workspace = data.get().with(py, |data| {
            let mut mlp = network.get().train()?;
            mlp.check_optimizer(&settings.optimizer)?;
            let moments = settings.optimizer.kind().moments();
            let largest = batch_size.max(growth_batch);
            let footprint = Footprint::of(&mlp, largest, candidates, memory, moments);
            data.adjust(footprint, &mlp, largest)?.check(mlp.bytes())?;
            mlp.prepare_training(&par, memory)?;
            Workspace::new(&mlp, largest, memory)
        })?;
        let (settings, workspace) = (Mutex::new(settings), Mutex::new(workspace));
        let (multiply_adds, limited) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Trainer { network, data, settings, growth_batch, workspace, multiply_adds, limited })
    }

    /// As `Network.evolve`, also by a rule that needs samples: the gradients are those on a batch.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<LayerTurnover>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, from_json::<NamedRule>("rule", rule)?);
        let layers = self.data.get().with(py, |data| {
            let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
            let mlp = &mut *network.write()?;
            evolve(&par, mlp, &mut workspace, data, self.growth_batch, &rule)
        })?;
        Ok(LayerTurnover::all(layers))
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
        let indptr = offsets(&indptr)?;
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

    /// The scores of other data, in the batches of the fit and in its buffers.
    fn evaluate(&self, py: Python<'_>, data: &Data) -> PyResult<Scores> {
        let network = self.network.get();
        let par = network.par()?;
        let batch_size = self.settings().batch_size;
        let lock = || self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pass = data.with(py, |data| {
            let mlp = network.as_is()?;
            data.check(&mlp)?;
            let inference = lock().lend(&mlp, batch_size)?;
            InferencePass::within(inference, &mlp, data, batch_size)
        })?;
        let mut run = || -> PyResult<()> {
            while !pass.is_finished() {
                data.with(py, |data| {
                    pass.evaluate(&par, &*network.read_for(data)?, data, until_tick())
                })?;
                py.check_signals()?;
            }
            Ok(())
        };
        let done = run();
        let score = pass.progress().score;
        py.detach(|| lock().take_back(pass.into_inference()));
        done?;
        Ok(score.into())
    }

    /// As `Network.measure` of the samples of the fit, in its batches and buffers.
    #[pyo3(signature = (most=None))]
    fn measure(&self, py: Python<'_>, most: Option<usize>) -> PyResult<Measured> {
        let batch_size = self.settings().batch_size;
        let lock = || self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = |mlp: &Mlp, data: &DataView<'_>| {
            data.check(mlp)?;
            let inference = lock().lend(mlp, batch_size)?;
            InferencePass::within(inference, mlp, data, batch_size)
        };
        let (found, pass) = measured(py, self.network.get(), self.data.get(), most, begin);
        if let Some(pass) = pass {
            py.detach(|| lock().take_back(pass.into_inference()));
        }
        found
    }

    /// Steps so far in which the weights of samples were limited.
    #[getter]
    fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// The learning rate of step `step` of the fit.
    fn learning_rate(&self, step: u64) -> f64 {
        self.settings().learning_rate(1.0, step)
    }

    /// The learning rate before the schedule.
    #[getter]
    fn base_rate(&self) -> f64 {
        self.settings().optimizer.learning_rate
    }

    /// Sets the learning rate before the schedule, for epochs that are yet to begin.
    fn set_base_rate(&self, rate: f64) -> PyResult<()> {
        let mut settings = self.settings();
        settings.optimizer.learning_rate = rate;
        settings.check()?;
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// Multiplications with additions of all steps and complete epochs so far.
    #[getter]
    fn multiply_adds(&self) -> u64 {
        self.multiply_adds.load(Ordering::Relaxed)
    }

    /// One step over all samples in their order, which must fit one batch; counts no epoch.
    fn step(&self, py: Python<'_>) -> PyResult<Scores> {
        let network = self.network.get();
        let par = network.par()?;
        let settings = self.settings();
        if self.data.get().samples() > settings.batch_size {
            let expected = "all samples in one step";
            return Err(Error::invalid("batch_size", settings.batch_size, expected).into());
        }
        let score = self.data.get().with(py, |data| {
            let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
            single_step(&par, &mut *network.train()?, &mut workspace, data, &settings.optimizer)
        })?;
        self.multiply_adds.fetch_add(score.multiply_adds, Ordering::Relaxed);
        self.limited.fetch_add(score.limited, Ordering::Relaxed);
        Ok(score.into())
    }

    /// One epoch, starting at step `first_step` of the fit. About every
    /// 100 ms signals are looked at and `tick(samples done, loss, accuracy)` is called, if given;
    /// what they raise ends the epoch at a completed step. `part`: the number of the part of the
    /// epoch's samples that these are; all of them by default.
    #[pyo3(signature = (first_step, tick=None, part=0, is_last=true))]
    fn epoch(
        &self,
        py: Python<'_>,
        first_step: u64,
        tick: Option<Bound<'_, PyAny>>,
        part: u64,
        is_last: bool,
    ) -> PyResult<Scores> {
        self.run(py, &[], first_step, tick, Part { number: part, is_last })
    }

    /// As `epoch`, in which other networks make their steps on the same batches; if `shares` says so.
    /// Scores are those of all of them.
    #[pyo3(signature = (others, first_step, tick=None))]
    fn epoch_with(
        &self,
        py: Python<'_>,
        others: Vec<Py<Network>>,
        first_step: u64,
        tick: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Scores> {
        if !self.shares(py, others.iter().map(|network| network.clone_ref(py)).collect())? {
            let expected = "networks that take the same batches";
            return Err(Error::invalid("others", others.len(), expected).into());
        }
        self.run(py, &others, first_step, tick, Part::WHOLE)
    }

    /// Whether other networks, each another one, can make their steps on the batches of this one.
    fn shares(&self, py: Python<'_>, others: Vec<Py<Network>>) -> PyResult<bool> {
        let own = self.network.get();
        let mut all: Vec<_> = others.iter().map(|other| std::ptr::from_ref(other.get())).collect();
        all.push(own);
        all.sort_unstable();
        if all.windows(2).any(|pair| pair[0] == pair[1]) {
            return Ok(false);
        }
        self.data.get().with(py, |data| {
            let one = own.as_is()?;
            for other in &others {
                if !shares_batches(data, &one, &*other.get().as_is()?) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

impl Trainer {
    /// One epoch of the network, and of others with it.
    fn run(
        &self,
        py: Python<'_>,
        others: &[Py<Network>],
        first_step: u64,
        tick: Option<Bound<'_, PyAny>>,
        part: Part,
    ) -> PyResult<Scores> {
        let (network, data) = (self.network.get(), self.data.get());
        let (par, settings) = (network.par()?, self.settings());
        let mut epoch = data.with(py, |data| {
            Epoch::of_part(&*network.as_is()?, data, settings, first_step, part)
        })?;
        while !epoch.is_finished() {
            // The lock is let go at every tick and when others wait for it: other threads may
            // look at a completed step.
            data.with(py, |data| {
                let mut workspace = self.workspace.lock().unwrap_or_else(PoisonError::into_inner);
                let mut go_on = until_tick();
                loop {
                    let alone = || go_on() && !network.has_waiting_readers();
                    let mut own = network.train()?;
                    let others = others.iter().map(|other| other.get().train());
                    let mut others = others.collect::<Result<Vec<_>>>()?;
                    let mut all = vec![&mut *own];
                    all.extend(others.iter_mut().map(|guard| &mut **guard));
                    epoch.run_together(&par, &mut all, &mut workspace, data, alone)?;
                    drop((own, others));
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
        self.limited.fetch_add(score.limited, Ordering::Relaxed);
        Ok(score.into())
    }
}
