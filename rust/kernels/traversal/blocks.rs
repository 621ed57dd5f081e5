//! Rows of few entries, visited in blocks. The number of entries changes from row to row, so a loop
//! over the entries of each row would mispredict its end more often than not. Within a block the
//! entries come in one run, each with the number of its row. Sums do not depend on the blocks.

use std::ops::Range;

/// Entries of a row, on average, up to which blocks pay.
const FEW: usize = 8;
/// Bytes of a block's rows of lanes: they stay in the first cache.
const BYTES: usize = 8 << 10;
/// The size in bytes from which on a result has left all caches before it is read.
const FAR: usize = 32 << 20;
/// Rows of a block at most.
const ROWS: usize = 256;
/// Entries of a block at most.
pub(in crate::kernels) const ENTRIES: usize = 1024;
/// Numbers that are written for a row at once.
const AT_ONCE: usize = 8;

/// Rows whose entries are visited together.
pub(in crate::kernels) struct Block {
    pub(in crate::kernels) rows: Range<usize>,
    pub(in crate::kernels) entries: Range<usize>,
}

/// Lanes of a block's rows, while sums grow.
#[repr(align(64))]
pub(in crate::kernels) struct Lanes(pub(in crate::kernels) [f32; BYTES / 4]);

impl Default for Lanes {
    #[inline(always)]
    fn default() -> Self {
        Lanes([0.0; BYTES / 4])
    }
}

/// Covers rows by blocks; a row that is too long for a block is a block alone, without numbers.
pub(in crate::kernels) struct Blocks<'a> {
    indptr: &'a [usize],
    rows: Range<usize>,
    most: usize,
    numbers: [u16; ENTRIES + AT_ONCE],
}

impl Block {
    /// A single row that has no numbers.
    #[inline(always)]
    pub(in crate::kernels) fn is_long(&self) -> bool {
        self.entries.len() > ENTRIES
    }
}

impl<'a> Blocks<'a> {
    /// Whether blocks pay for a matrix of these offsets and rows of `stride` lanes. They pay for
    /// `narrow` lanes at most: the work on longer rows hides a misprediction.
    #[inline(always)]
    pub(in crate::kernels) fn pay(indptr: &[usize], stride: usize, narrow: usize) -> bool {
        let entries = indptr[indptr.len() - 1];
        stride <= narrow && entries <= FEW * (indptr.len() - 1)
    }

    #[inline(always)]
    pub(in crate::kernels) fn new(indptr: &'a [usize], rows: Range<usize>, stride: usize) -> Self {
        let most = (BYTES / (4 * stride)).clamp(1, ROWS);
        Blocks { indptr, rows, most, numbers: [0; ENTRIES + AT_ONCE] }
    }

    /// Whether all rows of lanes together are too many for any cache.
    #[inline(always)]
    pub(in crate::kernels) fn are_far(&self, stride: usize) -> bool {
        4 * stride * (self.indptr.len() - 1) >= FAR
    }

    /// The next block.
    #[inline(always)]
    pub(in crate::kernels) fn next(&mut self) -> Option<Block> {
        let start = self.rows.start;
        if start == self.rows.end {
            return None;
        }
        let first = self.indptr[start];
        let ends = &self.indptr[start + 1..=self.rows.end.min(start + self.most)];
        let count = ends.partition_point(|end| end - first <= ENTRIES).max(1);
        let block = Block { rows: start..start + count, entries: first..ends[count - 1] };
        self.rows.start += count;
        if !block.is_long() {
            let mut from = 0;
            for (number, end) in (0u16..).zip(&ends[..count]) {
                // Writes more numbers than most rows have entries, so that no branch depends on the
                // length; the next row overwrites those that are too many.
                self.numbers[from..from + AT_ONCE].fill(number);
                let end = end - first;
                if end > from + AT_ONCE {
                    self.numbers[from + AT_ONCE..end].fill(number);
                }
                from = end;
            }
        }
        Some(block)
    }

    /// For each entry of a block that is not long the number of its row in the block.
    #[inline(always)]
    pub(in crate::kernels) fn numbers(&self, block: &Block) -> &[u16] {
        &self.numbers[..block.entries.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_once_in_order_and_with_its_row() {
        let lengths = (0..5000).map(|r| match r {
            700 => ENTRIES,
            701 => ENTRIES + 1,
            702 => 5 * ENTRIES,
            _ => [0, 0, 1, 2, 3, 7, 8, 9, 20, 0][r * r % 10],
        });
        let mut indptr = vec![0];
        indptr.extend(lengths.scan(0, |sum, n| {
            *sum += n;
            Some(*sum)
        }));
        for (rows, stride) in
            [(0..5000, 16), (3..704, 64), (701..703, 1), (9..9, 32), (4999..5000, 4)]
        {
            let mut blocks = Blocks::new(&indptr, rows.clone(), stride);
            let (mut row, mut long) = (rows.start, 0);
            while let Some(block) = blocks.next() {
                assert_eq!(block.rows.start, row);
                assert_eq!(block.entries, indptr[row]..indptr[block.rows.end]);
                assert!(4 * stride * block.rows.len() <= BYTES || block.rows.len() == 1);
                if block.is_long() {
                    assert_eq!(block.rows.len(), 1);
                    long += 1;
                } else {
                    let numbers = blocks.numbers(&block).iter().map(|&n| row + usize::from(n));
                    let of_rows =
                        block.rows.clone().flat_map(|r| (indptr[r]..indptr[r + 1]).map(move |_| r));
                    assert!(numbers.eq(of_rows));
                }
                row = block.rows.end;
            }
            assert_eq!(row, rows.end);
            assert_eq!(long, (701..703).filter(|r| rows.contains(r)).count());
        }
    }

    #[test]
    fn they_pay_for_few_entries_and_narrow_rows() {
        assert!(Blocks::pay(&[0, 2, 4], 16, 16) && Blocks::pay(&[0, 0], 64, 64));
        assert!(!Blocks::pay(&[0, 2, 4], 32, 16) && !Blocks::pay(&[0, 20], 16, 64));
    }
}
