//! Model files: one safetensors file that holds everything a network is.
//!
//! # Format
//! Tensors of layer `i` (from 0), one row per output neuron as in [`crate::csr`]:
//! `layers.i.indptr` U64, `layers.i.indices` U32, `layers.i.data` F32, `layers.i.momentum` F32,
//! `layers.i.bias` F32, `layers.i.bias_momentum` F32; and `standardizer.mean`,
//! `standardizer.scale` F64 if there are statistics; `layers.i.pruned` U32, the output neurons that
//! pruning closed to growth, if there are any; `units.l` U32, the original numbers of the neurons
//! of layer `l` (0 for the inputs), if a compaction removed some of that layer. The safetensors metadata has one entry,
//! `trulysparse`: a JSON object of `version`, `config`, `counters` and `user`, an object of the
//! caller's own strings, and after a compaction `original_layer_sizes`. One entry, as the order of several would change from file to file: the
//! same model gives the same bytes.
//!
//! A file is written to a sibling, synced and renamed, so a crash never costs the old one. A file
//! that is read is not trusted: sizes and structure are checked before they are used.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{collected, reserved};
use crate::nn::{Config, Counters, Layer, Mlp, Origin, Standardizer};

/// Strings that travel with a model: class names, feature names, whatever the caller likes.
pub type UserData = BTreeMap<String, String>;

const VERSION: u32 = 1;
const HEADER: &str = "trulysparse";

/// Counters from here on are refused: they could overflow.
const MOST_COUNTED: u64 = 1 << 63;

#[cfg(target_endian = "big")]
compile_error!("model files are little-endian and are read and written as the machine's memory is");

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    config: Config,
    counters: Counters,
    user: UserData,
    /// Empty if the model was never compacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    original_layer_sizes: Vec<usize>,
}

/// An array of the model as bytes.
struct Tensor<'a> {
    dtype: Dtype,
    shape: [usize; 1],
    bytes: Cow<'a, [u8]>,
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
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
impl Stored for u64 {
    const DTYPE: Dtype = Dtype::U64;
}

fn tensor<T: Stored>(values: &[T]) -> Tensor<'_> {
    let bytes = Cow::Borrowed(bytemuck::cast_slice(values));
    Tensor { dtype: T::DTYPE, shape: [values.len()], bytes }
}

/// The numbers of the elements that are true.
fn numbers(flags: &[bool]) -> Result<Tensor<'static>> {
    let set = || (0u32..).zip(flags).filter(|(_, flag)| **flag).map(|(i, _)| i);
    let count = set().count();
    let mut bytes = reserved(count * 4, "pruned neurons")?;
    set().for_each(|i| bytes.extend_from_slice(&i.to_le_bytes()));
    Ok(Tensor { dtype: Dtype::U32, shape: [count], bytes: Cow::Owned(bytes) })
}

/// Offsets are stored with 64 bits on every platform.
fn offsets(indptr: &[usize]) -> Result<Tensor<'static>> {
    let mut bytes = reserved(indptr.len() * 8, "row offsets")?;
    indptr.iter().for_each(|&p| bytes.extend_from_slice(&(p as u64).to_le_bytes()));
    Ok(Tensor { dtype: Dtype::U64, shape: [indptr.len()], bytes: Cow::Owned(bytes) })
}

type Parts<'a> = (Vec<(String, Tensor<'a>)>, HashMap<String, String>);

fn parts<'a>(model: &'a Mlp, user: &UserData) -> Result<Parts<'a>> {
    let mut tensors = Vec::new();
    for (i, layer) in model.layers().iter().enumerate() {
        let pattern = layer.weights().pattern();
        let mut push = |name: &str, tensor| tensors.push((format!("layers.{i}.{name}"), tensor));
        push("indptr", offsets(pattern.indptr())?);
        push("indices", tensor(pattern.indices()));
        push("data", tensor(layer.weights().data()));
        push("momentum", tensor(layer.momentum()));
        push("bias", tensor(layer.bias()));
        push("bias_momentum", tensor(layer.bias_momentum()));
        if layer.pruned().contains(&true) {
            push("pruned", numbers(layer.pruned())?);
        }
    }
    if let Some(s) = model.standardizer() {
        tensors.push(("standardizer.mean".into(), tensor(s.mean())));
        tensors.push(("standardizer.scale".into(), tensor(s.scale())));
    }
    for (l, ids) in model.origin().iter().flat_map(|origin| origin.ids().iter().enumerate()) {
        if !ids.is_empty() {
            tensors.push((format!("units.{l}"), tensor(ids)));
        }
    }
    let header = Header {
        version: VERSION,
        config: model.config().clone(),
        counters: model.counters,
        user: user.clone(),
        original_layer_sizes: model.origin().map_or(Vec::new(), |origin| origin.sizes().to_vec()),
    };
    let json = serde_json::to_string(&header).expect("internal: plain data always serialise");
    Ok((tensors, HashMap::from([(HEADER.to_string(), json)])))
}

/// The model as the bytes of a file.
pub fn to_bytes(model: &Mlp, user: &UserData) -> Result<Vec<u8>> {
    let (tensors, metadata) = parts(model, user)?;
    // The library's own allocation aborts where this one is refused.
    let bytes = tensors.iter().map(|(_, tensor)| tensor.data_len() + 1024).sum();
    drop(reserved::<u8>(bytes, "a model file")?);
    safetensors::serialize(tensors, Some(metadata)).map_err(|e| invalid("bytes", e))
}

/// Writes the model: to a temporary sibling first, which is synced and takes the path's place.
pub fn save(model: &Mlp, user: &UserData, path: &Path) -> Result<()> {
    let io = |source| Error::Io { path: path.display().to_string(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        // A folder's error is the system's own.
        File::options().append(true).open(path).map_err(io).and_then(|_| not_regular(path))?;
    }
    // With the permissions of any new file, not the private ones of a temporary file, and with the
    // system's own error, in which tempfile would wrap the temporary's name.
    let sibling = tempfile::Builder::new()
        .prefix(".trulysparse-")
        .suffix(".tmp")
        .make_in(folder, |path| File::options().write(true).create_new(true).open(path))
        .map_err(io)?
        .into_temp_path();
    let permissions = std::fs::metadata(&sibling).map_err(io)?.permissions();
    let (tensors, metadata) = parts(model, user)?;
    safetensors::serialize_to_file(tensors, Some(metadata), &sibling).map_err(|e| match e {
        safetensors::SafeTensorError::IoError(source) => io(source),
        other => invalid(&path.display().to_string(), other),
    })?;
    let file = File::options().write(true).open(&sibling).map_err(io)?;
    file.set_permissions(permissions).map_err(io)?;
    file.sync_all().map_err(io)?;
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
pub fn load(path: &Path) -> Result<(Mlp, UserData)> {
    let name = path.display().to_string();
    let io = |source| Error::Io { path: name.clone(), source };
    let found = std::fs::metadata(path).map_err(io)?;
    if !found.is_file() && !found.is_dir() {
        not_regular(path)?; // reading a pipe or a device might never end
    }
    let mut bytes = reserved(found.len() as usize, "a model file")?;
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io)?;
    from_bytes(&bytes, &name)
}

fn invalid(name: &str, reason: impl ToString) -> Error {
    Error::InvalidFile { path: name.to_string(), reason: reason.to_string() }
}

/// Why a file cannot be read, before it is known what to call the file.
enum Fault {
    Memory(Error),
    Damage(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::OutOfMemory { .. } => Fault::Memory(error),
            _ => Fault::Damage(error.to_string()),
        }
    }
}
impl From<safetensors::SafeTensorError> for Fault {
    fn from(error: safetensors::SafeTensorError) -> Self {
        Fault::Damage(error.to_string())
    }
}
impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Damage(error.to_string())
    }
}

/// The model in a file's bytes; `name` is what errors call the file.
pub fn from_bytes(bytes: &[u8], name: &str) -> Result<(Mlp, UserData)> {
    parse(bytes).map_err(|fault| match fault {
        Fault::Memory(error) => error,
        Fault::Damage(reason) => invalid(name, reason),
    })
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn parse(bytes: &[u8]) -> std::result::Result<(Mlp, UserData), Fault> {
    let damage = |reason: &str| Fault::Damage(reason.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let header = entry.ok_or_else(|| damage("the trulysparse header is missing"))?;
    let Version { version } = serde_json::from_str(header)?;
    if version != VERSION {
        return Err(Fault::Damage(format!("format version {version}: expected {VERSION}")));
    }
    let Header { config, counters, user, original_layer_sizes, .. } = serde_json::from_str(header)?;
    config.check()?;
    if [counters.epochs, counters.steps, counters.evolutions].iter().any(|&n| n >= MOST_COUNTED) {
        return Err(Fault::Damage(format!("{counters:?}: expected numbers below 2^63")));
    }

    let file = SafeTensors::deserialize(bytes)?;
    let mut layers = Vec::new();
    for (i, pair) in config.layer_sizes.windows(2).enumerate() {
        layers.push(read_layer(&file, i, pair[0])?);
    }
    let mut model = Mlp::from_layers(config, layers)?;
    model.counters = counters;
    if !original_layer_sizes.is_empty() {
        let now = model.config().layer_sizes.len();
        let ids = (0..now).map(|l| read_optional(&file, &format!("units.{l}")));
        let ids = ids.collect::<std::result::Result<_, _>>()?;
        let origin = Origin::from_parts(&model.config().layer_sizes, original_layer_sizes, ids)?;
        model.set_origin(origin);
    }
    if ["standardizer.mean", "standardizer.scale"].iter().any(|name| file.tensor(name).is_ok()) {
        let (mean, scale) = (read(&file, "standardizer.mean")?, read(&file, "standardizer.scale")?);
        model.set_standardizer(Standardizer::from_parts(mean, scale)?)?;
    } else if model.config().standardize && model.counters.steps > 0 {
        return Err(damage("the statistics of a standardising model are missing"));
    }
    Ok((model, user))
}

fn read_layer(file: &SafeTensors<'_>, i: usize, n_in: usize) -> std::result::Result<Layer, Fault> {
    let key = |name: &str| format!("layers.{i}.{name}");
    let offsets: Vec<u64> = read(file, &key("indptr"))?;
    let indptr = offsets.iter().map(|&p| usize::try_from(p).unwrap_or(usize::MAX));
    let indptr = collected(indptr, "row offsets")?;
    let (indices, data) = (read(file, &key("indices"))?, read(file, &key("data"))?);
    let (momentum, bias) = (read(file, &key("momentum"))?, read(file, &key("bias"))?);
    let bias_momentum = read(file, &key("bias_momentum"))?;
    let pruned = read_optional(file, &key("pruned"))?;
    Csr::with_any_values(n_in, indptr, indices, data)
        .and_then(|weights| Layer::from_parts(weights, momentum, bias, bias_momentum))
        .and_then(|mut layer| layer.set_pruned(&pruned).map(|()| layer))
        .map_err(|e| match Fault::from(e) {
            Fault::Damage(reason) => Fault::Damage(format!("layers.{i}: {reason}")),
            memory => memory,
        })
}

/// Nothing if there is no such tensor.
fn read_optional<T: Stored>(
    file: &SafeTensors<'_>,
    name: &str,
) -> std::result::Result<Vec<T>, Fault> {
    if file.tensor(name).is_ok() { read(file, name) } else { Ok(Vec::new()) }
}

fn read<T: Stored>(file: &SafeTensors<'_>, name: &str) -> std::result::Result<Vec<T>, Fault> {
    let tensor = file.tensor(name).map_err(|_| Fault::Damage(format!("{name} is missing")))?;
    if tensor.dtype() != T::DTYPE || tensor.shape().len() != 1 {
        return Err(Fault::Damage(format!(
            "{name} is {:?} of shape {:?}: expected a vector of {:?}",
            tensor.dtype(),
            tensor.shape(),
            T::DTYPE
        )));
    }
    let values = tensor.data().chunks_exact(size_of::<T>());
    Ok(collected(values.map(bytemuck::pod_read_unaligned::<T>), "a model file")?)
}
