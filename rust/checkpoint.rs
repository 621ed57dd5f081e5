//! Model files: one safetensors file that holds everything a network is.
//!
//! `docs/file.md` describes the format: its tensors, its metadata, its checksums and the rules of
//! its version. Here `tensors` has the arrays of a model by name, `header` the metadata in each
//! version, `checksums` what covers both, `reader` and `writer` the bytes, and `replace` how a file
//! takes the place of another.
//!
//! A file is written to a sibling, synced and renamed, so a crash never costs the old one. A file
//! that is read is not trusted: sizes, sums and structure are checked before they are used, and a
//! name that the model does not ask for is refused. Neither way holds a second copy of the model.

mod checksums;
mod header;
mod reader;
mod replace;
mod tensors;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

use crate::error::{Error, Result};
use crate::memory::reserved;
use crate::nn::{Footprint, Mlp, Standardizer, Units};
use crate::watch::Watch;
use header::{CHECKED, Header, VERSION};
use reader::{Fault, Source};
use tensors::Stored;
use writer::Contents;

/// Strings that travel with a model, such as names of classes and features; the caller's.
pub type UserData = BTreeMap<String, String>;

/// The entry of the metadata that holds the header.
const HEADER: &str = "trulysparse";

/// The longest header that the library reads.
const LONGEST_HEADER: usize = 100_000_000;

/// Bytes that are read, written and summed at once.
const PIECE: usize = 1 << 20;

/// A model that was read, and what else its file says.
pub struct Loaded {
    /// The model.
    pub model: Mlp,
    /// The caller's strings.
    pub user: UserData,
    /// The version of the format.
    pub version: u32,
    /// The version of the package that wrote the file, if the file says so.
    pub package: Option<String>,
    /// The arrays with numbers that are NaN or infinite, as in a model that has diverged.
    pub diverged: Vec<String>,
}

/// The model's file; `name` is what errors call it.
fn contents<'a>(model: &'a Mlp, user: &UserData, name: &str) -> Result<Contents<'a>> {
    let header = Header {
        version: VERSION,
        package: Some(env!("CARGO_PKG_VERSION").to_string()),
        config: model.config().clone(),
        counters: model.counters,
        user: user.clone(),
        original_layer_sizes: model.origin().map(|origin| origin.sizes().to_vec()),
        state: model.state(),
        inputs_seen: model.standardizer().and_then(Standardizer::count),
        targets_seen: model.units().map(Units::total),
    };
    let json = serde_json::to_string(&header).expect("internal: plain data always serialise");
    // One entry, as the order of several would change from file to file.
    let entries = HashMap::from([(HEADER.to_string(), json)]);
    Contents::new(tensors::of(model)?, entries).map_err(|e| Fault::from(e).of(name))
}

/// The model as the bytes of a file.
pub fn to_bytes(model: &Mlp, user: &UserData, watch: &mut Watch<'_>) -> Result<Vec<u8>> {
    let contents = contents(model, user, "bytes")?;
    let mut bytes = reserved(contents.len(), "a model file")?;
    contents.write(&mut bytes, "bytes", watch)?;
    Ok(bytes)
}

/// Writes the model: to a temporary sibling first, which is synced and takes the path's place. Of a
/// symbolic link it is the place of what the link points to.
pub fn save(model: &Mlp, user: &UserData, path: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let name = path.display().to_string();
    let contents = contents(model, user, &name)?;
    replace::replace(path, watch, |out, watch| contents.write(out, &name, watch))
}

fn not_regular(path: &Path) -> Result<()> {
    Err(Error::invalid("path", path.display(), "a regular file"))
}

/// Reads a model that [`save`] wrote.
pub fn load(path: &Path, watch: &mut Watch<'_>) -> Result<Loaded> {
    let name = path.display().to_string();
    let io = |source| Error::Io { path: name.clone(), source };
    let found = std::fs::metadata(path).map_err(io)?;
    if !found.is_file() && !found.is_dir() {
        not_regular(path)?; // reading a pipe or a device might never end
    }
    parse(File::open(path).map_err(io)?, watch).map_err(|fault| fault.of(&name))
}

/// The model in a file's bytes; `name` is what errors call the file.
pub fn from_bytes(bytes: &[u8], name: &str, watch: &mut Watch<'_>) -> Result<Loaded> {
    parse(Cursor::new(bytes), watch).map_err(|fault| fault.of(name))
}

fn parse(reader: impl Read + Seek, watch: &mut Watch<'_>) -> reader::Result<Loaded> {
    let mut file = Source::open(reader, watch)?;
    let entry = file.entry(HEADER);
    let entry = entry.ok_or_else(|| Fault::Damage("the trulysparse header is missing".into()))?;
    let mut header = Header::parse(entry)?;
    if header.version >= CHECKED {
        file.expect_checksums()?;
    }
    let neurons = header.config.layer_sizes.iter().sum();
    let parts = vec![("the file's arrays", file.len() as f64)];
    Footprint { neurons, parts, ..Footprint::default() }.check(0.0)?;
    let (version, package) = (header.version, header.package.take());
    let user = std::mem::take(&mut header.user);
    let model = tensors::model(&mut file, header)?;
    Ok(Loaded { model, user, version, package, diverged: file.diverged() })
}
