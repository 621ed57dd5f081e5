//! Model files: one safetensors file that holds everything a network is.
//!
//! # Format
//! Tensors of layer `i` (from 0), one row per output neuron as in [`crate::csr`]:
//! `layers.i.indptr` U64, `layers.i.indices` U32, `layers.i.data` F32, `layers.i.momentum` F32,
//! `layers.i.bias` F32, `layers.i.bias_momentum` F32; and `standardizer.mean`,
//! `standardizer.scale` F64 if there are statistics. The safetensors metadata has two entries:
//! `trulysparse`, a JSON header (version, configuration, counters), and `user`, a JSON object of
//! the caller's own strings.
//!
//! A file is written to a sibling, synced and renamed, so a crash never costs the old one. A file
//! that is read is not trusted: sizes and structure are checked before they are used.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::reserved;
use crate::nn::{Config, Counters, Layer, Mlp, Standardizer};

/// Strings that travel with a model: class names, feature names, whatever the caller likes.
pub type UserData = BTreeMap<String, String>;

const VERSION: u32 = 1;
const HEADER: &str = "trulysparse";
const USER: &str = "user";

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    config: Config,
    counters: Counters,
}

/// An array of the model as little-endian bytes, borrowed where the machine's order allows.
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
    fn swap(self) -> Self;
}
impl Stored for f32 {
    const DTYPE: Dtype = Dtype::F32;
    fn swap(self) -> Self {
        f32::from_bits(self.to_bits().swap_bytes())
    }
}
impl Stored for f64 {
    const DTYPE: Dtype = Dtype::F64;
    fn swap(self) -> Self {
        f64::from_bits(self.to_bits().swap_bytes())
    }
}
impl Stored for u32 {
    const DTYPE: Dtype = Dtype::U32;
    fn swap(self) -> Self {
        self.swap_bytes()
    }
}
impl Stored for u64 {
    const DTYPE: Dtype = Dtype::U64;
    fn swap(self) -> Self {
        self.swap_bytes()
    }
}

fn tensor<T: Stored>(values: &[T]) -> Tensor<'_> {
    let bytes = if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        Cow::Owned(
            bytemuck::cast_slice(&values.iter().map(|v| v.swap()).collect::<Vec<_>>()).to_vec(),
        )
    };
    Tensor { dtype: T::DTYPE, shape: [values.len()], bytes }
}

/// Offsets are stored with 64 bits on every platform.
fn offsets(indptr: &[usize]) -> Tensor<'static> {
    let bytes = indptr.iter().flat_map(|&p| (p as u64).to_le_bytes()).collect();
    Tensor { dtype: Dtype::U64, shape: [indptr.len()], bytes: Cow::Owned(bytes) }
}

type Parts<'a> = (Vec<(String, Tensor<'a>)>, HashMap<String, String>);

fn parts<'a>(model: &'a Mlp, user: &UserData) -> Parts<'a> {
    let mut tensors = Vec::new();
    for (i, layer) in model.layers().iter().enumerate() {
        let pattern = layer.weights().pattern();
        let mut push = |name: &str, tensor| tensors.push((format!("layers.{i}.{name}"), tensor));
        push("indptr", offsets(pattern.indptr()));
        push("indices", tensor(pattern.indices()));
        push("data", tensor(layer.weights().data()));
        push("momentum", tensor(layer.momentum()));
        push("bias", tensor(layer.bias()));
        push("bias_momentum", tensor(layer.bias_momentum()));
    }
    if let Some(s) = model.standardizer() {
        tensors.push(("standardizer.mean".into(), tensor(s.mean())));
        tensors.push(("standardizer.scale".into(), tensor(s.scale())));
    }
    let header =
        Header { version: VERSION, config: model.config().clone(), counters: model.counters };
    let json =
        |result: serde_json::Result<String>| result.expect("internal: plain data always serialise");
    let metadata = HashMap::from([
        (HEADER.to_string(), json(serde_json::to_string(&header))),
        (USER.to_string(), json(serde_json::to_string(user))),
    ]);
    (tensors, metadata)
}

/// The model as the bytes of a file.
pub fn to_bytes(model: &Mlp, user: &UserData) -> Result<Vec<u8>> {
    let (tensors, metadata) = parts(model, user);
    safetensors::serialize(tensors, Some(metadata)).map_err(|e| invalid("bytes", e))
}

/// Writes the model: to a temporary sibling first, which is synced and takes the path's place.
pub fn save(model: &Mlp, user: &UserData, path: &Path) -> Result<()> {
    let io = |source| Error::Io { path: path.display().to_string(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(io(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".trulysparse-").suffix(".tmp");
    #[cfg(unix)]
    {
        // The permissions of any new file, not the private ones of a temporary file.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let sibling = builder.tempfile_in(folder).map_err(io)?.into_temp_path();
    let permissions = std::fs::metadata(&sibling).map_err(io)?.permissions();
    let (tensors, metadata) = parts(model, user);
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

/// Reads a model that [`save`] wrote.
pub fn load(path: &Path) -> Result<(Mlp, UserData)> {
    let name = path.display().to_string();
    let io = |source| Error::Io { path: name.clone(), source };
    let size = std::fs::metadata(path).map_err(io)?.len() as usize;
    let mut bytes = reserved(size, "a model file")?;
    std::io::Read::read_to_end(&mut File::open(path).map_err(io)?, &mut bytes).map_err(io)?;
    from_bytes(&bytes, &name)
}

fn invalid(name: &str, reason: impl ToString) -> Error {
    Error::InvalidFile { path: name.to_string(), reason: reason.to_string() }
}

/// The model in a file's bytes; `name` is what errors call the file.
pub fn from_bytes(bytes: &[u8], name: &str) -> Result<(Mlp, UserData)> {
    let bad = |reason: &dyn ToString| invalid(name, reason.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| bad(&e))?;
    let entries = metadata.metadata().clone().unwrap_or_default();
    let header = entries.get(HEADER).ok_or_else(|| bad(&"the trulysparse header is missing"))?;
    let version: Version = serde_json::from_str(header).map_err(|e| bad(&e))?;
    if version.version != VERSION {
        return Err(bad(&format!("format version {}: expected {VERSION}", version.version)));
    }
    let header: Header = serde_json::from_str(header).map_err(|e| bad(&e))?;
    let user = match entries.get(USER) {
        Some(user) => serde_json::from_str(user).map_err(|e| bad(&e))?,
        None => UserData::new(),
    };
    header.config.check().map_err(|e| bad(&e))?;

    let file = SafeTensors::deserialize(bytes).map_err(|e| bad(&e))?;
    let mut layers = Vec::new();
    for (i, pair) in header.config.layer_sizes.windows(2).enumerate() {
        layers.push(read_layer(&file, i, pair[0]).map_err(|e| bad(&format!("layer {i}: {e}")))?);
    }
    let mut model = Mlp::from_layers(header.config, layers).map_err(|e| bad(&e))?;
    model.counters = header.counters;
    if file.tensor("standardizer.mean").is_ok() {
        let mean = read(&file, "standardizer.mean").map_err(|e| bad(&e))?;
        let scale = read(&file, "standardizer.scale").map_err(|e| bad(&e))?;
        Standardizer::from_parts(mean, scale)
            .and_then(|s| model.set_standardizer(s))
            .map_err(|e| bad(&e))?;
    } else if model.config().standardize && model.counters.steps > 0 {
        return Err(bad(&"the statistics of a standardising model are missing"));
    }
    Ok((model, user))
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

fn read_layer(file: &SafeTensors<'_>, i: usize, n_in: usize) -> Result<Layer> {
    let key = |name: &str| format!("layers.{i}.{name}");
    let offsets: Vec<u64> = read(file, &key("indptr"))?;
    let indptr = offsets.into_iter().map(|p| usize::try_from(p).unwrap_or(usize::MAX)).collect();
    let (indices, data) = (read(file, &key("indices"))?, read(file, &key("data"))?);
    let weights = Csr::with_any_values(n_in, indptr, indices, data)?;
    Layer::from_parts(
        weights,
        read(file, &key("momentum"))?,
        read(file, &key("bias"))?,
        read(file, &key("bias_momentum"))?,
    )
}

fn read<T: Stored>(file: &SafeTensors<'_>, name: &str) -> Result<Vec<T>> {
    let tensor = file.tensor(name).map_err(|_| invalid(name, "missing"))?;
    if tensor.dtype() != T::DTYPE || tensor.shape().len() != 1 {
        let found = format!("{:?} of shape {:?}", tensor.dtype(), tensor.shape());
        return Err(invalid(name, format!("{found}: expected a vector of {:?}", T::DTYPE)));
    }
    let mut values = reserved(tensor.data().len() / size_of::<T>(), "a model file")?;
    values
        .extend(tensor.data().chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned::<T>));
    if cfg!(target_endian = "big") {
        values.iter_mut().for_each(|v: &mut T| *v = v.swap());
    }
    Ok(values)
}
