//! The crate's one error type.
//!
//! The policy: what a caller's *data* can cause (an argument out of range, a damaged file, too
//! little memory) is an [`Error`]; a broken *internal* contract (slices of wrong length between
//! modules, a structure that its own constructor has checked) panics with a message.

/// What can go wrong because of what a user passed in or of the machine it runs on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument's value is not acceptable.
    #[error("{name} = {value}: expected {expected}")]
    InvalidArgument {
        /// The argument's public name.
        name: String,
        /// The offending value, shortened.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// Arrays that claim to be a sparse matrix violate an invariant of [`crate::csr::Csr`].
    #[error("invalid sparse matrix: {0}")]
    InvalidStructure(String),
    /// A model file is damaged or was not written by this crate.
    #[error("{path}: not a valid trulysparse model: {reason}")]
    InvalidFile {
        /// The file as the caller named it.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An allocation was refused.
    #[error("not enough memory: {bytes} bytes for {what}")]
    OutOfMemory {
        /// The size of the refused allocation in bytes.
        bytes: u128,
        /// What the memory was for.
        what: String,
    },
    /// What was asked for is more than the machine has; nothing was allocated.
    #[error(
        "not enough memory: {needed} bytes are needed, of which {taken} are taken already, and \
         {available} are available: {}",
        parts.join(", ")
    )]
    TooLarge {
        /// All bytes together.
        needed: u128,
        /// The bytes that the process has.
        taken: u128,
        /// The bytes that it can still take.
        available: u128,
        /// What needs them, part by part.
        parts: Vec<String>,
    },
    /// A network was being changed when the process was forked, so its state is half-made here.
    #[error(
        "this model was being changed in the parent process when this process was forked; \
         load it from a file instead"
    )]
    Forked,
    /// A network was compacted while a call that had taken its buffers was running.
    #[error("this model was compacted while another call was using it; repeat that call")]
    Compacted,
    /// The watch of a slow operation asked it to stop; nothing was changed.
    #[error("stopped before the end")]
    Stopped,
    /// The operating system refused to read or write a file.
    #[error("{path}: {source}")]
    Io {
        /// The file as the caller named it.
        path: String,
        /// The system's own error.
        source: std::io::Error,
    },
    /// The operating system refused to write a file that would have replaced another.
    #[error("{path}: {source} ({why})")]
    Unsaved {
        /// The file as the caller named it.
        path: String,
        /// The system's own error.
        source: std::io::Error,
        /// What was tried, and what there is now.
        why: &'static str,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The same error of an argument's value, with what the argument belongs to before its name.
    pub fn of(self, what: impl ToString) -> Self {
        match self {
            Error::InvalidArgument { name, value, expected } => {
                Error::invalid(format!("{}, {name}", what.to_string()), value, expected)
            }
            other => other,
        }
    }

    /// An [`Error::InvalidArgument`]; every part is something that can be displayed.
    pub fn invalid(name: impl ToString, value: impl ToString, expected: impl ToString) -> Self {
        Error::InvalidArgument {
            name: name.to_string(),
            value: value.to_string(),
            expected: expected.to_string(),
        }
    }
}
