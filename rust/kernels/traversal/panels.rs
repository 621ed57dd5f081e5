//! The order in which entries are visited: rows in turn, or blocks of columns within panels of
//! rows. Blocks are used where `x` is larger than a cache and rows have enough entries: the rows of
//! `x` in a block are then used many times while they are near. Sums do not depend on the order.

use std::ops::Range;

/// Bytes of a block of `x` that stays in a common second cache beside what streams through.
const SECOND_CACHE: usize = 700 << 10;
/// Bytes of a block that stays in the first cache, or nearly: its lines come from there more often
/// than not.
const FIRST_CACHE: usize = 56 << 10;
/// Rows of a panel: enough to use each row of `x` in a block several times, few enough that the
/// panel's own rows stay near too.
const PANEL: usize = 1024;

/// Entries that a row must have in a block, on average, for blocks to pay. They share what a visit
/// costs: registers loaded and stored, and branches.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Worth {
    /// For blocks that stay in the first cache.
    pub(in crate::kernels) first: f64,
    /// For blocks that stay in the second cache.
    pub(in crate::kernels) second: f64,
}

/// Entries of one row that are visited together.
pub(in crate::kernels) struct Visit {
    pub(in crate::kernels) row: usize,
    pub(in crate::kernels) entries: Range<usize>,
    /// The row's first visit.
    pub(in crate::kernels) first: bool,
    /// The row's last visit.
    pub(in crate::kernels) last: bool,
    /// Where the visit after the next starts, and about how many entries it has, if entries do not
    /// come in order.
    pub(in crate::kernels) soon: Option<(usize, usize)>,
    /// The same, for the visit two later.
    pub(in crate::kernels) later: Option<(usize, usize)>,
}

/// Visits every entry of `rows` once, those of a row in ascending order; rows without entries too.
pub(in crate::kernels) struct Panels<'a> {
    indptr: &'a [usize],
    indices: &'a [u32],
    below: usize,
    block: usize,
    expected: usize,
    rows: Range<usize>,
    panel: Range<usize>,
    limit: usize,
    row: usize,
    /// Where the next visit of each of the panel's rows starts.
    next: [usize; PANEL],
}

impl<'a> Panels<'a> {
    /// `indices` are below `below`, ascending within a row; a row of `x` has `stride` lanes.
    #[inline(always)]
    pub(in crate::kernels) fn new(
        indptr: &'a [usize],
        indices: &'a [u32],
        below: usize,
        rows: Range<usize>,
        stride: usize,
        worth: Worth,
    ) -> Self {
        let density = indices.len() as f64 / (indptr.len() - 1).max(1) as f64 / below.max(1) as f64;
        let fitting = |bytes: usize, worth: f64| {
            let fits = (bytes / (4 * stride)).max(1);
            // Blocks of like size.
            let block = below.div_ceil(below.div_ceil(fits).max(1));
            (density * block as f64 >= worth).then_some(block)
        };
        let block = fitting(FIRST_CACHE, worth.first)
            .or_else(|| fitting(SECOND_CACHE, worth.second))
            .unwrap_or(below);
        let (panel, row) = (rows.start..rows.start, rows.start);
        let expected = (density * block as f64).ceil() as usize;
        let next = [0; PANEL];
        Panels { indptr, indices, below, block, expected, rows, panel, limit: below, row, next }
    }

    /// Whether rows come whole.
    #[inline(always)]
    pub(in crate::kernels) fn whole(&self) -> bool {
        self.block >= self.below
    }

    /// The first of the entries from `start` on whose index is not below the limit, or `end`.
    #[inline(always)]
    fn end_of_visit(&self, start: usize, end: usize) -> usize {
        // Counting whole vectors of indices has one branch that is hard to predict; a binary search
        // would have one a step.
        let mut at = start;
        while at < end {
            let indices = &self.indices[at..end.min(at + 16)];
            let count = indices.iter().map(|&c| u32::from((c as usize) < self.limit)).sum::<u32>();
            at += count as usize;
            if count < 16 {
                break;
            }
        }
        at
    }
}

impl Iterator for Panels<'_> {
    type Item = Visit;

    #[inline(always)]
    fn next(&mut self) -> Option<Visit> {
        if self.whole() {
            let row = self.row;
            if row >= self.rows.end {
                return None;
            }
            self.row += 1;
            let entries = self.indptr[row]..self.indptr[row + 1];
            return Some(Visit { row, entries, first: true, last: true, soon: None, later: None });
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
        let last = self.limit >= self.below;
        let row_end = self.indptr[row + 1];
        let end = if last { row_end } else { self.end_of_visit(start, row_end) };
        self.next[row - self.panel.start] = end;
        let start_of = |row: usize| {
            (row < self.panel.end).then(|| (self.next[row - self.panel.start], self.expected))
        };
        let (soon, later) = (start_of(row + 2), start_of(row + 4));
        Some(Visit { row, entries: start..end, first: self.limit == self.block, last, soon, later })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_once_and_in_order() {
        // Rows of 0, 429, 1000 and 3000 entries.
        let (n_cols, n_rows) = (3000, 1300);
        let mut indptr = vec![0];
        let mut indices = Vec::new();
        for r in 0..n_rows {
            let step = [n_cols, 7, 3, 1][r % 4];
            indices.extend((r % 5..n_cols).step_by(step).map(|c| c as u32).filter(|_| r % 4 > 0));
            indptr.push(indices.len());
        }
        let never = f64::INFINITY;
        let plans =
            [(Worth { first: 1.0, second: 1.0 }, 100), (Worth { first: never, second: 1.0 }, 1000)];
        for (worth, least_block) in plans {
            for rows in [0..n_rows, 5..6, 100..400, 7..7] {
                let mut seen = vec![0; n_rows];
                let mut done = vec![false; n_rows];
                let mut count = 0usize;
                let visits = Panels::new(&indptr, &indices, n_cols, rows.clone(), 128, worth);
                assert!(!visits.whole() && (least_block..2 * least_block).contains(&visits.block));
                for p in visits {
                    assert!(rows.contains(&p.row) && !done[p.row]);
                    assert!(!p.first || seen[p.row] == 0);
                    assert_eq!(p.entries.start, indptr[p.row] + seen[p.row]);
                    seen[p.row] += p.entries.len();
                    done[p.row] = p.last;
                    count += 1;
                }
                assert!(rows.is_empty() || count > rows.len(), "blocks were not used");
                for r in rows {
                    assert!(done[r] && seen[r] == indptr[r + 1] - indptr[r]);
                }
            }
        }
    }

    #[test]
    fn rows_come_whole_where_blocks_do_not_pay() {
        let indptr: Vec<usize> = (0..=4000).collect();
        let indices: Vec<u32> = (0..4000).collect();
        let worth = Worth { first: 2.0, second: 2.0 };
        let visits = Panels::new(&indptr, &indices, 4000, 10..20, 128, worth);
        assert!(visits.whole());
        assert!(visits.zip(10..20).all(|(p, r)| p.row == r && p.entries == (r..r + 1) && p.last));
    }
}
