//! Model files: one safetensors file that holds everything a network is.
//!
//! # Format
//! Tensors of layer `i` (from 0), one row per output neuron as in [`crate::csr`]:
//! `layers.i.indptr` U64, `layers.i.indices` U32, `layers.i.data` F32, `layers.i.momentum` F32,
//! `layers.i.bias` F32, `layers.i.bias_momentum` F32, and if Adam trains it
//! `layers.i.second_moment` F32, `layers.i.bias_second_moment` F32; of a hidden layer with SReLU
//! `layers.i.srelu` and `layers.i.srelu_momentum` F32, four parameters a neuron as in
//! [`crate::nn::SRelu`]; and `standardizer.mean`,
//! `standardizer.scale` F64 if there are statistics, and `standardizer.constant` U32, the features
//! that had one value other than 0, if there are any; `layers.i.pruned` U32, the output neurons that
//! pruning closed to growth, if there are any; `units.l` U32, the original numbers of the neurons
//! of layer `l` (0 for the inputs), if a compaction removed some of that layer. The safetensors
//! metadata has one entry, `trulysparse`: a JSON object of `version`, `config`, `counters` and
//! `user`, an object of the caller's own strings, after a compaction `original_layer_sizes`, and
//! `adam_since`, the number of steps after which Adam began with its moments, if there are some; of
//! other optimisers than it and momentum SGD `state`, their `rule` and its beginning `since`.
//! One entry, as the order of several would change from file to file: the same model gives the
//! same bytes.
//!
//! A file is written to a sibling, synced and renamed, so a crash never costs the old one. A file
//! that is read is not trusted: sizes and structure are checked before they are used, and a name that
//! the model does not ask for is refused. Neither way holds a second copy of the model.
//! `docs/file.md` has the rules of the version number.

mod reader;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Seek};
use std::path::Path;

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};

use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::reserved;
use crate::nn::{
    Config, Counters, Footprint, Layer, Mlp, Origin, SRelu, Standardizer, State, Units, UpdateKind,
};
use crate::watch::Watch;
use reader::{Fault, Source};
use writer::{Contents, Durable, Tensor};

/// Strings that travel with a model, such as names of classes and features; the caller's.
pub type UserData = BTreeMap<String, String>;

const VERSION: u32 = 1;
const HEADER: &str = "trulysparse";

/// The longest header that the library reads.
const LONGEST_HEADER: usize = 100_000_000;

/// Bytes that are read or written at once.
const PIECE: usize = 1 << 20;

/// Counters from here on are refused: they could overflow.
const MOST_COUNTED: u64 = 1 << 63;

#[cfg(target_endian = "big")]
compile_error!("model files are little-endian and are read and written as the machine's memory is");

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    config: Config,
    counters: Counters,
    user: UserData,
    /// Empty if the model was never compacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    original_layer_sizes: Vec<usize>,
    /// The state's beginning if it is Adam's, which was the only one in the first files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adam_since: Option<u64>,
    /// The state of other optimisers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    /// What the statistics are of; none of the first models.
    #[serde(default, skip_serializing_if = "Seen::is_empty")]
    seen: Seen,
}

/// How many samples the statistics are of.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inputs: Option<f64>,
    /// The sum of their weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    targets: Option<f64>,
}

impl Seen {
    fn is_empty(&self) -> bool {
        self.inputs.is_none() && self.targets.is_none()
    }
}

impl Header {
    /// The fields of a state: none for momentum SGD, one for any other rule.
    fn fields(state: Option<State>) -> (Option<u64>, Option<State>) {
        match state {
            Some(State { rule: UpdateKind::Adam, since }) => (Some(since), None),
            other => (None, other.filter(|state| state.rule != UpdateKind::default())),
        }
    }

    /// Whose moments the file has; none if they are momentum SGD's. An error if the fields are not
    /// those that such a model is saved with.
    fn moments(&self) -> reader::Result<Option<State>> {
        let adam = self.adam_since.map(|since| State { rule: UpdateKind::Adam, since });
        let state = adam.or(self.state);
        if Self::fields(state) != (self.adam_since, self.state) {
            return Err(Fault::Damage(
                "state: expected none beside adam_since, nor that of sgd or adam".into(),
            ));
        }
        Ok(state)
    }
}

/// A number as it stands in a file.
trait Stored: bytemuck::Pod {
    const DTYPE: Dtype;
}
impl Stored for f32 {
    const DTYPE: Dtype = Dtype::F32;
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

/// The model's file; `name` is what errors call it.
fn contents<'a>(model: &'a Mlp, user: &UserData, name: &str) -> Result<Contents<'a>> {
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
        tensors.push(("standardizer.scale".into(), Tensor::of(s.scale())));
        if !s.constant().is_empty() {
            tensors.push(("standardizer.constant".into(), Tensor::of(s.constant())));
        }
    }
    if let Some(units) = model.units() {
        tensors.push(("targets.mean".into(), Tensor::of(units.mean())));
        tensors.push(("targets.scale".into(), Tensor::of(units.stored_scale())));
    }
    for (l, ids) in model.origin().iter().flat_map(|origin| origin.ids().iter().enumerate()) {
        if !ids.is_empty() {
            tensors.push((format!("units.{l}"), Tensor::of(ids)));
        }
    }
    let (adam_since, state) = Header::fields(model.state());
    let header = Header {
        version: VERSION,
        config: model.config().clone(),
        counters: model.counters,
        user: user.clone(),
        original_layer_sizes: model.origin().map_or(Vec::new(), |origin| origin.sizes().to_vec()),
        adam_since,
        state,
        seen: Seen {
            inputs: model.standardizer().and_then(Standardizer::count),
            targets: model.units().map(Units::total),
        },
    };
    let json = serde_json::to_string(&header).expect("internal: plain data always serialise");
    let entries = HashMap::from([(HEADER.to_string(), json)]);
    Contents::new(tensors, entries).map_err(|e| Fault::from(e).of(name))
}

/// The model as the bytes of a file.
pub fn to_bytes(model: &Mlp, user: &UserData, watch: &mut Watch<'_>) -> Result<Vec<u8>> {
    let contents = contents(model, user, "bytes")?;
    let mut bytes = reserved(contents.len(), "a model file")?;
    contents.write(&mut bytes, "bytes", watch)?;
    Ok(bytes)
}

/// Writes the model: to a temporary sibling first, which is synced and takes the path's place.
pub fn save(model: &Mlp, user: &UserData, path: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let name = path.display().to_string();
    let io = |source| Error::Io { path: name.clone(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        // A folder's error is the system's own.
        File::options().append(true).open(path).map_err(io).and_then(|_| not_regular(path))?;
    }
    let contents = contents(model, user, &name)?;
    // With the permissions of any new file, not the private ones of a temporary file, and with the
    // system's own error, in which tempfile would wrap the temporary's name.
    let sibling = tempfile::Builder::new()
        .prefix(".trulysparse-")
        .suffix(".tmp")
        .make_in(folder, |path| File::options().write(true).create_new(true).open(path))
        .map_err(io)?;
    let mut out = BufWriter::new(Durable::new(sibling.as_file()));
    contents.write(&mut out, &name, watch)?;
    drop(out);
    sibling.as_file().sync_all().map_err(io)?;
    watch.advance(0)?; // the last chance to keep the old file
    sibling.persist(path).map_err(|e| io(e.error))?;
    // The rename itself is durable once the folder is; not every system can sync a folder.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn not_regular(path: &Path) -> Result<()> {
    Err(Error::invalid("path", path.display(), "a regular file"))
}

/// Reads a model that [`save`] wrote.
pub fn load(path: &Path, watch: &mut Watch<'_>) -> Result<(Mlp, UserData)> {
    let name = path.display().to_string();
    let io = |source| Error::Io { path: name.clone(), source };
    let found = std::fs::metadata(path).map_err(io)?;
    if !found.is_file() && !found.is_dir() {
        not_regular(path)?; // reading a pipe or a device might never end
    }
    parse(File::open(path).map_err(io)?, watch).map_err(|fault| fault.of(&name))
}

/// The model in a file's bytes; `name` is what errors call the file.
pub fn from_bytes(bytes: &[u8], name: &str, watch: &mut Watch<'_>) -> Result<(Mlp, UserData)> {
    parse(Cursor::new(bytes), watch).map_err(|fault| fault.of(name))
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn parse(reader: impl Read + Seek, watch: &mut Watch<'_>) -> reader::Result<(Mlp, UserData)> {
    let damage = |reason: &str| Fault::Damage(reason.to_string());
    let mut file = Source::open(reader, watch)?;
    let header = file.entry(HEADER).ok_or_else(|| damage("the trulysparse header is missing"))?;
    let Version { version } = serde_json::from_str(header)?;
    if version != VERSION {
        return Err(Fault::Damage(format!("format version {version}: expected {VERSION}")));
    }
    let header: Header = serde_json::from_str(header)?;
    let state = header.moments()?;
    let Header { config, counters, user, original_layer_sizes, seen, .. } = header;
    config.check()?;
    if [counters.epochs, counters.steps, counters.evolutions].iter().any(|&n| n >= MOST_COUNTED) {
        return Err(Fault::Damage(format!("{counters:?}: expected numbers below 2^63")));
    }
    let neurons = config.layer_sizes.iter().sum();
    let parts = vec![("the file's arrays", file.len() as f64)];
    Footprint { connections: 0.0, neurons, parts }.check(0.0)?;

    let second = state.is_some_and(|state| state.rule.moments() > 1);
    let mut layers = Vec::new();
    for (i, pair) in config.layer_sizes.windows(2).enumerate() {
        let mut layer = read_layer(&mut file, i, pair[0], second)?;
        if i + 2 < config.layer_sizes.len() && config.activation.is_srelu(i + 1) {
            read_srelu(&mut file, i, &mut layer)?;
        }
        layers.push(layer);
    }
    let mut model = Mlp::from_layers(config, layers)?;
    model.counters = counters;
    if let Some(state) = state {
        model.set_state(state)?;
    }
    if !original_layer_sizes.is_empty() {
        let now = model.config().layer_sizes.len();
        let ids = (0..now).map(|l| file.read_optional(&format!("units.{l}")));
        let ids = ids.collect::<reader::Result<_>>()?;
        let origin = Origin::from_parts(&model.config().layer_sizes, original_layer_sizes, ids)?;
        model.set_origin(origin);
    }
    if ["standardizer.mean", "standardizer.scale"].iter().any(|name| file.has(name)) {
        let (mean, scale) = (file.read("standardizer.mean")?, file.read("standardizer.scale")?);
        let constant = file.read_optional("standardizer.constant")?;
        model.set_standardizer(match seen.inputs {
            Some(count) => Standardizer::counted(mean, scale, count)?,
            None => Standardizer::of_first_models(mean, scale, constant)?,
        })?;
    } else if seen.inputs.is_some() || model.config().standardize && model.counters.steps > 0 {
        return Err(damage("the statistics of a standardising model are missing"));
    }
    if let Some(total) = seen.targets {
        let (mean, scale) = (file.read("targets.mean")?, file.read("targets.scale")?);
        model.set_units(Units::counted(mean, scale, total)?)?;
    } else if model.config().standardize_targets && model.counters.steps > 0 {
        return Err(damage("the units of the targets are missing"));
    }
    file.finish()?;
    Ok((model, user))
}

fn read_srelu(
    file: &mut Source<'_, '_, impl Read + Seek>,
    i: usize,
    layer: &mut Layer,
) -> reader::Result<()> {
    let (key, neurons) = (|name: &str| format!("layers.{i}.{name}"), layer.bias().len());
    let (parameters, momentum) = (file.read(&key("srelu"))?, file.read(&key("srelu_momentum"))?);
    layer.set_srelu(SRelu::from_parts(neurons, parameters, momentum)?).map_err(|e| e.into())
}

fn read_layer(
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
