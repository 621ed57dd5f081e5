//! The arrays of a model by name: to a file, and from one.
//!
//! A name that came after version 1 is only read if [`Header::version`] has it, so that every
//! version has a closed list of names.

use std::io::{Read, Seek};

use safetensors::tensor::Dtype;

use super::header::Header;
use super::reader::{self, Fault, Source};
use super::writer::Tensor;
use crate::csr::Csr;
use crate::error::Result;
use crate::memory::{collected, reserved};
use crate::nn::{Layer, Mlp, Origin, SRelu, Standardizer, Units};

#[cfg(target_endian = "big")]
compile_error!("model files are little-endian and are read and written as the machine's memory is");

/// A number as it stands in a file.
pub trait Stored: bytemuck::Pod {
    const DTYPE: Dtype;

    /// Whether one of them is NaN or infinite.
    fn diverged(_values: &[Self]) -> bool {
        false
    }
}
impl Stored for f32 {
    const DTYPE: Dtype = Dtype::F32;

    fn diverged(values: &[Self]) -> bool {
        // Without an early end, so that it is done with vectors.
        values.iter().fold(false, |found, v| found | !v.is_finite())
    }
}
impl Stored for f64 {
    const DTYPE: Dtype = Dtype::F64;
}
impl Stored for u32 {
    const DTYPE: Dtype = Dtype::U32;
}
// Offsets are stored with 64 bits on every platform: as they are where `usize` has 64.
#[cfg(target_pointer_width = "64")]
impl Stored for usize {
    const DTYPE: Dtype = Dtype::U64;
}
#[cfg(not(target_pointer_width = "64"))]
impl Stored for u64 {
    const DTYPE: Dtype = Dtype::U64;
}

/// The numbers of the elements that are true.
fn numbers(flags: &[bool]) -> Result<Tensor<'static>> {
    let set = || (0u32..).zip(flags).filter(|(_, flag)| **flag).map(|(i, _)| i);
    let mut bytes = reserved(set().count() * 4, "pruned neurons")?;
    set().for_each(|i| bytes.extend_from_slice(&i.to_le_bytes()));
    Ok(Tensor::owned::<u32>(bytes))
}

#[cfg(target_pointer_width = "64")]
fn offsets(indptr: &[usize]) -> Result<Tensor<'_>> {
    Ok(Tensor::of(indptr))
}

#[cfg(not(target_pointer_width = "64"))]
fn offsets(indptr: &[usize]) -> Result<Tensor<'_>> {
    let mut bytes = reserved(indptr.len() * 8, "row offsets")?;
    indptr.iter().for_each(|&p| bytes.extend_from_slice(&(p as u64).to_le_bytes()));
    Ok(Tensor::owned::<u64>(bytes))
}

#[cfg(target_pointer_width = "64")]
fn read_offsets(
    file: &mut Source<'_, '_, impl Read + Seek>,
    name: &str,
) -> reader::Result<Vec<usize>> {
    file.read(name)
}

#[cfg(not(target_pointer_width = "64"))]
fn read_offsets(
    file: &mut Source<'_, '_, impl Read + Seek>,
    name: &str,
) -> reader::Result<Vec<usize>> {
    let offsets = file.read::<u64>(name)?.into_iter();
    let offsets = offsets.map(|p| usize::try_from(p).unwrap_or(usize::MAX));
    Ok(crate::memory::collected(offsets, "row offsets")?)
}

/// The arrays of a model by name.
pub fn of(model: &Mlp) -> Result<Vec<(String, Tensor<'_>)>> {
    let mut tensors = Vec::new();
    for (i, layer) in model.layers().iter().enumerate() {
        let pattern = layer.weights().pattern();
        let mut push = |name: &str, tensor| tensors.push((format!("layers.{i}.{name}"), tensor));
        push("indptr", offsets(pattern.indptr())?);
        push("indices", Tensor::of(pattern.indices()));
        push("data", Tensor::of(layer.weights().data()));
        push("momentum", Tensor::of(layer.momentum()));
        push("bias", Tensor::of(layer.bias()));
        push("bias_momentum", Tensor::of(layer.bias_momentum()));
        if !layer.bias_second_moment().is_empty() {
            push("second_moment", Tensor::of(layer.second_moment()));
            push("bias_second_moment", Tensor::of(layer.bias_second_moment()));
        }
        if let Some(srelu) = layer.srelu() {
            push("srelu", Tensor::of(srelu.parameters()));
            push("srelu_momentum", Tensor::of(srelu.momentum()));
        }
        if layer.pruned().contains(&true) {
            push("pruned", numbers(layer.pruned())?);
        }
    }
    if let Some(s) = model.standardizer() {
        tensors.push(("standardizer.mean".into(), Tensor::of(s.mean())));
        if s.count().is_some() {
            push_scales(&mut tensors, "standardizer", s.scale())?;
        } else {
            tensors.push(("standardizer.scale".into(), Tensor::of(s.scale())));
            if !s.constant().is_empty() {
                tensors.push(("standardizer.constant".into(), Tensor::of(s.constant())));
            }
        }
    }
    if let Some(units) = model.units() {
        tensors.push(("targets.mean".into(), Tensor::of(units.mean())));
        push_scales(&mut tensors, "targets", units.stored_scale())?;
    }
    for (l, ids) in model.origin().iter().flat_map(|origin| origin.ids().iter().enumerate()) {
        if !ids.is_empty() {
            tensors.push((format!("units.{l}"), Tensor::of(ids)));
        }
    }
    Ok(tensors)
}

/// Scales, 1 for a column with one value, whose numbers are beside.
fn push_scales<'a>(
    tensors: &mut Vec<(String, Tensor<'a>)>,
    of: &str,
    scales: &'a [f64],
) -> Result<()> {
    let constant = collected(scales.iter().map(|s| *s == 0.0), "statistics")?;
    if !constant.contains(&true) {
        tensors.push((format!("{of}.scale"), Tensor::of(scales)));
        return Ok(());
    }
    let mut bytes = reserved(8 * scales.len(), "statistics")?;
    let stored = scales.iter().map(|s| if *s == 0.0 { 1.0 } else { *s });
    stored.for_each(|s: f64| bytes.extend_from_slice(&s.to_le_bytes()));
    tensors.push((format!("{of}.scale"), Tensor::owned::<f64>(bytes)));
    tensors.push((format!("{of}.constant"), numbers(&constant)?));
    Ok(())
}

/// Scales as [`push_scales`] stored them: above 0, or 0 of a column with one value.
fn read_scales(file: &mut Source<'_, '_, impl Read + Seek>, of: &str) -> reader::Result<Vec<f64>> {
    let mut scales: Vec<f64> = file.read(&format!("{of}.scale"))?;
    let constant: Vec<u32> = file.read_optional(&format!("{of}.constant"))?;
    let damage = |reason: String| Err(Fault::Damage(format!("{of}: {reason}")));
    if let Some(scale) = scales.iter().find(|s| s.is_nan() || **s <= 0.0) {
        return damage(format!("a scale of {scale}: expected one above 0"));
    }
    let ascending = constant.windows(2).all(|pair| pair[0] < pair[1]);
    let known = |c: &u32| scales.get(*c as usize).is_some_and(|s| *s == 1.0);
    if !ascending || !constant.iter().all(known) {
        return damage("constants: expected ascending numbers of columns with scale 1".into());
    }
    constant.iter().for_each(|&c| scales[c as usize] = 0.0);
    Ok(scales)
}

/// The model that a file holds; every array that it has is read.
pub fn model(file: &mut Source<'_, '_, impl Read + Seek>, header: Header) -> reader::Result<Mlp> {
    let Header { config, counters, original_layer_sizes, state, .. } = header;
    let (inputs_seen, targets_seen) = (header.inputs_seen, header.targets_seen);
    let second = state.is_some_and(|state| state.rule.moments() > 1);
    let mut layers = Vec::new();
    for (i, pair) in config.layer_sizes.windows(2).enumerate() {
        let mut layer = layer(file, i, pair[0], second)?;
        if i + 2 < config.layer_sizes.len() && config.activation.is_srelu(i + 1) {
            srelu(file, i, &mut layer)?;
        }
        layers.push(layer);
    }
    let mut model = Mlp::from_layers(config, layers)?;
    model.counters = counters;
    if let Some(state) = state {
        model.set_state(state)?;
    }
    if let Some(sizes) = original_layer_sizes {
        let now = model.config().layer_sizes.len();
        let ids = (0..now).map(|l| file.read_optional(&format!("units.{l}")));
        let ids = ids.collect::<reader::Result<_>>()?;
        model.set_origin(Origin::from_parts(&model.config().layer_sizes, sizes, ids)?);
    }
    standardizer(file, &mut model, inputs_seen)?;
    units(file, &mut model, targets_seen)?;
    file.finish()?;
    Ok(model)
}

fn standardizer(
    file: &mut Source<'_, '_, impl Read + Seek>,
    model: &mut Mlp,
    seen: Option<f64>,
) -> reader::Result<()> {
    if ["standardizer.mean", "standardizer.scale"].iter().any(|name| file.has(name)) {
        let mean = file.read("standardizer.mean")?;
        model.set_standardizer(match seen {
            Some(count) => Standardizer::counted(mean, read_scales(file, "standardizer")?, count)?,
            None => {
                let scale = file.read("standardizer.scale")?;
                let constant = file.read_optional("standardizer.constant")?;
                Standardizer::of_first_models(mean, scale, constant)?
            }
        })?;
    } else if seen.is_some() || model.config().standardize.is_any() && model.counters.steps > 0 {
        let reason = "the statistics of a standardising model are missing";
        return Err(Fault::Damage(reason.to_string()));
    }
    Ok(())
}

fn units(
    file: &mut Source<'_, '_, impl Read + Seek>,
    model: &mut Mlp,
    seen: Option<f64>,
) -> reader::Result<()> {
    if let Some(total) = seen {
        let (mean, scale) = (file.read("targets.mean")?, read_scales(file, "targets")?);
        model.set_units(Units::counted(mean, scale, total)?)?;
    } else if model.config().standardize_targets && model.counters.steps > 0 {
        return Err(Fault::Damage("the units of the targets are missing".to_string()));
    }
    Ok(())
}

fn srelu(
    file: &mut Source<'_, '_, impl Read + Seek>,
    i: usize,
    layer: &mut Layer,
) -> reader::Result<()> {
    let (key, neurons) = (|name: &str| format!("layers.{i}.{name}"), layer.bias().len());
    let (parameters, momentum) = (file.read(&key("srelu"))?, file.read(&key("srelu_momentum"))?);
    layer.set_srelu(SRelu::from_parts(neurons, parameters, momentum)?).map_err(|e| e.into())
}

fn layer(
    file: &mut Source<'_, '_, impl Read + Seek>,
    i: usize,
    n_in: usize,
    has_second: bool,
) -> reader::Result<Layer> {
    let key = |name: &str| format!("layers.{i}.{name}");
    let indptr = read_offsets(file, &key("indptr"))?;
    let (indices, data) = (file.read(&key("indices"))?, file.read(&key("data"))?);
    let (momentum, bias) = (file.read(&key("momentum"))?, file.read(&key("bias"))?);
    let bias_momentum = file.read(&key("bias_momentum"))?;
    let second = match has_second {
        true => (file.read(&key("second_moment"))?, file.read(&key("bias_second_moment"))?),
        false => Default::default(),
    };
    let pruned = file.read_optional(&key("pruned"))?;
    Csr::with_any_values(n_in, indptr, indices, data)
        .and_then(|weights| Layer::from_parts(weights, momentum, bias, bias_momentum))
        .and_then(|mut layer| {
            layer.set_pruned(&pruned)?;
            if has_second {
                layer.set_second_moments(second.0, second.1)?;
            }
            Ok(layer)
        })
        .map_err(|e| match Fault::from(e) {
            Fault::Damage(reason) => Fault::Damage(format!("layers.{i}: {reason}")),
            other => other,
        })
}
