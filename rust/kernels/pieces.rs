//! The order in which entries are visited: rows in turn, or, where `x` is larger than the second
//! cache and rows have entries enough, blocks of columns within panels of rows, so that the rows
//! of `x` in a block are used many times while they are near. Sums do not depend on it.

use std::ops::Range;

/// Half of a common second cache; the other half is for what streams through.
const L2_BYTES: usize = 512 << 10;
/// Entries of a row in a block below which storing and loading its accumulators costs too much.
const MIN_ENTRIES: f64 = 16.0;
/// Rows of a panel: enough to use each row of `x` in a block several times, few enough that the
/// panel's own rows stay near too.
const PANEL: usize = 256;

/// What the first cache holds of `x` without any prefetching.
pub(super) const L1_BYTES: usize = 24 << 10;

/// Entries of one row that are visited together.
pub(super) struct Piece {
    pub(super) row: usize,
    pub(super) entries: Range<usize>,
    /// The row's first piece.
    pub(super) first: bool,
    /// The row's last piece.
    pub(super) last: bool,
}

/// Visits every entry of `rows` once, those of a row in ascending order; rows without entries too.
pub(super) struct Pieces<'a> {
    indptr: &'a [usize],
    indices: &'a [u32],
    below: usize,
    block: usize,
    rows: Range<usize>,
    panel: Range<usize>,
    limit: usize,
    row: usize,
    /// Where the next piece of each of the panel's rows starts.
    next: [usize; PANEL],
}

impl<'a> Pieces<'a> {
    /// `indices` are below `below`; a row of `x` takes `lanes` lanes at a time.
    pub(super) fn new(
        indptr: &'a [usize],
        indices: &'a [u32],
        below: usize,
        rows: Range<usize>,
        lanes: usize,
    ) -> Self {
        let fits = (L2_BYTES / (4 * lanes)).max(1);
        let n_rows = indptr.len() - 1;
        let entries = indices.len() as f64 / n_rows as f64 * fits as f64 / below.max(1) as f64;
        let block = if entries < MIN_ENTRIES { below } else { fits };
        let panel = rows.start..rows.start;
        Pieces {
            indptr,
            indices,
            below,
            block,
            row: rows.start,
            rows,
            panel,
            limit: below,
            next: [0; PANEL],
        }
    }

    /// Whether rows come whole.
    pub(super) fn whole(&self) -> bool {
        self.block >= self.below
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    #[inline(always)]
    fn next(&mut self) -> Option<Piece> {
        if self.whole() {
            let row = self.row;
            if row >= self.rows.end {
                return None;
            }
            self.row += 1;
            return Some(Piece {
                row,
                entries: self.indptr[row]..self.indptr[row + 1],
                first: true,
                last: true,
            });
        }
        if self.row == self.panel.end {
            if self.limit < self.below {
                self.limit += self.block;
            } else {
                if self.panel.end == self.rows.end {
                    return None;
                }
                self.panel = self.panel.end..self.rows.end.min(self.panel.end + PANEL);
                self.next[..self.panel.len()].copy_from_slice(&self.indptr[self.panel.clone()]);
                self.limit = self.block;
            }
            self.row = self.panel.start;
        }
        let row = self.row;
        self.row += 1;
        let start = self.next[row - self.panel.start];
        let row_end = self.indptr[row + 1];
        let last = self.limit >= self.below;
        let end = if last {
            row_end
        } else {
            start + self.indices[start..row_end].partition_point(|&c| (c as usize) < self.limit)
        };
        self.next[row - self.panel.start] = end;
        Some(Piece { row, entries: start..end, first: self.limit == self.block, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_once_and_in_order() {
        // 3000 columns of 1024 lanes: blocks of 128; rows of 0, 400, 800, ... entries.
        let (n_cols, n_rows) = (3000, 600);
        let mut indptr = vec![0];
        let mut indices = Vec::new();
        for r in 0..n_rows {
            let step = [n_cols, 7, 3, 1][r % 4];
            indices.extend((r % 5..n_cols).step_by(step).map(|c| c as u32).filter(|_| r % 4 > 0));
            indptr.push(indices.len());
        }
        for rows in [0..n_rows, 5..6, 100..400, 7..7] {
            let mut seen = vec![0; n_rows];
            let mut done = vec![false; n_rows];
            let mut pieces = 0usize;
            for p in Pieces::new(&indptr, &indices, n_cols, rows.clone(), 1024) {
                assert!(rows.contains(&p.row) && !done[p.row]);
                assert!(!p.first || seen[p.row] == 0);
                assert_eq!(p.entries.start, indptr[p.row] + seen[p.row]);
                seen[p.row] += p.entries.len();
                done[p.row] = p.last;
                pieces += 1;
            }
            assert!(
                rows.is_empty() || rows.len() == 1 || pieces > rows.len(),
                "blocks were not used"
            );
            for r in rows {
                assert!(done[r] && seen[r] == indptr[r + 1] - indptr[r]);
            }
        }
    }
}
