//! How far a slow operation is, and a chance to stop it.

use crate::error::Result;

/// What watches an operation, given done and total: an error stops it and becomes its result.
type Look<'a> = dyn FnMut(u64, u64) -> Result<()> + 'a;

/// What a slow operation reports to: it counts what it has done, many times a second.
#[derive(Default)]
pub struct Watch<'a> {
    look: Option<&'a mut Look<'a>>,
    done: u64,
    total: u64,
}

impl<'a> Watch<'a> {
    /// Calls `look(done, total)` whenever something is done.
    pub fn new(look: &'a mut Look<'a>) -> Self {
        Watch { look: Some(look), done: 0, total: 0 }
    }

    /// A watch that never stops anything.
    pub fn none() -> Self {
        Watch::default()
    }

    /// The operation begins; it will do about `total`, in a unit that it chooses.
    pub fn begin(&mut self, total: u64) {
        self.total = total;
    }

    /// The operation has done `by` more; an error if it shall stop.
    pub fn advance(&mut self, by: u64) -> Result<()> {
        self.done = self.total.min(self.done + by);
        self.look.as_mut().map_or(Ok(()), |look| look(self.done, self.total))
    }
}
