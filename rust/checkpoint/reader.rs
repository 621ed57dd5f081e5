//! Reading a safetensors file tensor by tensor, each straight to where it stays.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use safetensors::SafeTensorError;
use safetensors::tensor::{Metadata, TensorInfo};

use super::{LONGEST_HEADER, PIECE, Stored, checksums};
use crate::error::Error;
use crate::memory::reserved;
use crate::watch::Watch;

/// Why a file cannot be read, before it is known what to call the file.
pub enum Fault {
    Damage(String),
    Io(io::Error),
    /// An error that is not about the file.
    Other(Error),
}

impl Fault {
    /// As an error that calls the file `name`.
    pub fn of(self, name: &str) -> Error {
        let path = name.to_string();
        match self {
            Fault::Damage(reason) => Error::InvalidFile { path, reason: shown(&reason) },
            Fault::Io(source) => Error::Io { path, source },
            Fault::Other(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::OutOfMemory { .. } | Error::TooLarge { .. } | Error::Stopped => {
                Fault::Other(error)
            }
            _ => Fault::Damage(error.to_string()),
        }
    }
}
impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Fault::Damage("it was cut off while it was read".into()),
            _ => Fault::Io(error),
        }
    }
}
impl From<SafeTensorError> for Fault {
    fn from(error: SafeTensorError) -> Self {
        Fault::Damage(error.to_string())
    }
}
impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Damage(error.to_string())
    }
}

/// The most characters of a reason: names in a file may have any length.
const LONGEST_REASON: usize = 400;

/// A reason that is safe to print: it may quote the file, which may hold what a terminal obeys.
fn shown(reason: &str) -> String {
    let mut shown = String::new();
    for c in reason.chars().take(LONGEST_REASON) {
        if c.is_control() || DIRECTIONS.contains(&c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if reason.chars().nth(LONGEST_REASON).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Characters that end a line or change the direction of what follows, and are no controls.
const DIRECTIONS: [char; 11] = [
    '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}',
    '\u{2067}', '\u{2068}', '\u{2069}',
];

/// A result of reading.
pub type Result<T> = std::result::Result<T, Fault>;

/// A file of tensors whose sizes are known to fit its length.
pub struct Source<'a, 'w, R> {
    reader: R,
    metadata: Metadata,
    /// The tensors that have not been read, and the number of the first checksum of each.
    unread: BTreeMap<String, usize>,
    /// Where the first tensor begins.
    start: u64,
    /// The checksums, if the file has some.
    sums: Option<Vec<u32>>,
    /// The tensors with numbers that are NaN or infinite.
    diverged: Vec<String>,
    watch: &'a mut Watch<'w>,
}

impl<'a, 'w, R: Read + Seek> Source<'a, 'w, R> {
    /// Reads the header, and checks it against the length before anything is allocated by it, and
    /// against its checksum if the file has some.
    pub fn open(mut reader: R, watch: &'a mut Watch<'w>) -> Result<Self> {
        let mut head = Vec::new();
        reader.by_ref().take(8).read_to_end(&mut head)?;
        let head: [u8; 8] = head.try_into().map_err(|_| SafeTensorError::HeaderTooSmall)?;
        let size = u64::from_le_bytes(head);
        if size > LONGEST_HEADER as u64 {
            return Err(SafeTensorError::HeaderTooLarge.into());
        }
        let start = 8 + size;
        let Some(body) = reader.seek(SeekFrom::End(0))?.checked_sub(start) else {
            return Err(SafeTensorError::InvalidHeaderLength.into());
        };
        reader.seek(SeekFrom::Start(0))?;
        let mut header = reserved(start as usize, "the header of a model file")?;
        header.resize(start as usize, 0);
        reader.read_exact(&mut header)?;
        // This checks that the tensors lie end to end and have the sizes of their shapes.
        let metadata: Metadata = serde_json::from_slice(&header[8..])
            .map_err(SafeTensorError::InvalidHeaderDeserialization)?;
        if metadata.data_len() as u64 != body {
            return Err(SafeTensorError::MetadataIncompleteBuffer.into());
        }
        watch.begin(body);
        let head = checksums::of(&header);
        drop(header);
        let (unread, count) = checksums::places(&metadata);
        let (sums, diverged) = (None, Vec::new());
        let mut source = Source { reader, metadata, unread, start, sums, diverged, watch };
        if let Some(info) = source.metadata.info(checksums::NAME) {
            // Before they are read: others would have any length.
            if info.shape != [count] {
                let shape = &info.shape;
                let reason = format!("{} of shape {shape:?}: expected [{count}]", checksums::NAME);
                return Err(Fault::Damage(reason));
            }
            // They stay unread: only `expect_checksums` says that they belong there.
            let sums = source.values::<u32>(checksums::NAME, 0)?;
            if sums[0] != head {
                return Err(damaged("the header"));
            }
            source.sums = Some(sums);
        }
        Ok(source)
    }

    /// An error unless the file has checksums; in one that should not have any, they are an unknown
    /// tensor.
    pub fn expect_checksums(&mut self) -> Result<()> {
        self.unread.remove(checksums::NAME);
        match self.sums {
            Some(_) => Ok(()),
            None => Err(Fault::Damage(format!("{} is missing", checksums::NAME))),
        }
    }

    /// The header's entry of that name.
    pub fn entry(&self, name: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(name).map(String::as_str)
    }

    /// The bytes of all tensors.
    pub fn len(&self) -> usize {
        self.metadata.data_len()
    }

    /// Whether there is such a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// The values of the tensor of that name, which must be there.
    pub fn read<T: Stored>(&mut self, name: &str) -> Result<Vec<T>> {
        let place = self.unread.remove(name);
        self.values(name, place.unwrap_or(usize::MAX)) // it is missing, and is an error
    }

    /// The values of a tensor whose first checksum is the one of number `place`.
    fn values<T: Stored>(&mut self, name: &str, place: usize) -> Result<Vec<T>> {
        let info = self.metadata.info(name);
        let info = info.ok_or_else(|| Fault::Damage(format!("{name} is missing")))?;
        let &[len] = &info.shape[..] else { return Err(unexpected::<T>(name, info)) };
        if info.dtype != T::DTYPE {
            return Err(unexpected::<T>(name, info));
        }
        self.reader.seek(SeekFrom::Start(self.start + info.data_offsets.0 as u64))?;
        let mut sums = self.sums.as_ref().map(|sums| sums.iter().skip(place));
        let (mut values, mut diverged) = (reserved(len, "a model file")?, false);
        while values.len() < len {
            let begin = values.len();
            values.resize(len.min(begin + PIECE / size_of::<T>()), T::zeroed());
            let piece = bytemuck::cast_slice_mut(&mut values[begin..]);
            self.reader.read_exact(piece)?;
            if let Some(sums) = &mut sums
                && sums.next() != Some(&checksums::of(piece))
            {
                return Err(damaged(name));
            }
            self.watch.advance(piece.len() as u64)?;
            diverged |= T::diverged(&values[begin..]);
        }
        if diverged {
            self.diverged.push(name.to_string());
        }
        Ok(values)
    }

    /// The tensor of that name, or nothing if there is none.
    pub fn read_optional<T: Stored>(&mut self, name: &str) -> Result<Vec<T>> {
        if self.has(name) { self.read(name) } else { Ok(Vec::new()) }
    }

    /// An error unless all has been read: a tensor that was not may be one that is optional and has
    /// lost its name.
    pub fn finish(&self) -> Result<()> {
        match self.unread.first_key_value() {
            Some((name, _)) => {
                Err(Fault::Damage(format!("{name:?} is not a tensor of this model")))
            }
            None => Ok(()),
        }
    }

    /// The tensors read that have numbers that are NaN or infinite.
    pub fn diverged(self) -> Vec<String> {
        self.diverged
    }
}

fn damaged(part: &str) -> Fault {
    Fault::Damage(format!("{part} is damaged: its bytes do not have their checksum"))
}

fn unexpected<T: Stored>(name: &str, info: &TensorInfo) -> Fault {
    let (dtype, shape, expected) = (info.dtype, &info.shape, T::DTYPE);
    Fault::Damage(format!(
        "{name} is {dtype:?} of shape {shape:?}: expected a vector of {expected:?}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A file that has lost its end since its length was asked for.
    struct CutOff(Cursor<Vec<u8>>, u64);

    impl Read for CutOff {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0.read(out)
        }
    }
    impl Seek for CutOff {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            if let SeekFrom::End(0) = to { Ok(self.1) } else { self.0.seek(to) }
        }
    }

    fn file(shape: u64, bytes: usize) -> Vec<u8> {
        let end = 4 * shape;
        let json =
            format!(r#"{{"a":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,{end}]}}}}"#);
        let mut file = (json.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(json.as_bytes());
        file.resize(file.len() + bytes, 0);
        file
    }

    fn message<T>(result: Result<T>) -> String {
        result.map_or_else(|fault| fault.of("m").to_string(), |_| "fine".into())
    }

    #[test]
    fn sizes_are_checked_against_the_length_before_they_are_believed() {
        let open = |bytes| message(Source::open(Cursor::new(bytes), &mut Watch::none()));
        assert_eq!(open(file(4, 16)), "fine");
        for bad in [file(4, 15), file(4, 17), file(1 << 50, 16), file(1 << 61, 16)] {
            assert!(open(bad).contains("m: not a valid trulysparse model: "));
        }
        for (size, problem) in [(u64::MAX, "too large"), (99_000_000, "invalid header length")] {
            let mut bytes = file(4, 16);
            bytes[..8].copy_from_slice(&size.to_le_bytes());
            assert!(open(bytes).contains(problem));
        }
    }

    fn read(reader: impl Read + Seek, watch: &mut Watch<'_>) -> String {
        message(Source::open(reader, watch).and_then(|mut source| source.read::<f32>("a")))
    }

    #[test]
    fn a_file_that_is_cut_off_while_it_is_read_is_an_error() {
        let whole = file(1 << 20, 4 << 20);
        let cut = |len: usize| {
            let reader = CutOff(Cursor::new(whole[..len].to_vec()), whole.len() as u64);
            read(reader, &mut Watch::none())
        };
        assert_eq!(cut(whole.len()), "fine");
        for len in [20, whole.len() / 2, whole.len() - 1] {
            assert!(cut(len).ends_with("it was cut off while it was read"), "{}", cut(len));
        }
    }

    #[test]
    fn a_reason_is_safe_to_print_and_short() {
        assert_eq!(shown("a \u{1b}[31m\nü\u{202e}"), "a \\u{1b}[31m\\nü\\u{202e}");
        let long = shown(&"ü".repeat(1 << 20));
        assert_eq!(long.chars().count(), LONGEST_REASON + 3);
    }

    #[test]
    fn a_watch_sees_pieces_and_can_stop() {
        let mut seen = Vec::new();
        let mut look = |done, total| {
            seen.push((done, total));
            if done < 3 << 20 { Ok(()) } else { Err(Error::Stopped) }
        };
        let found = read(Cursor::new(file(1 << 20, 4 << 20)), &mut Watch::new(&mut look));
        assert_eq!(found, Error::Stopped.to_string());
        assert_eq!(seen, [1, 2, 3].map(|done: u64| (done << 20, 4 << 20)));
    }
}
