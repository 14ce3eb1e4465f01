//! A table that converts byte offsets to code points and lines, for many spans in any order.

use oxc_span::Span;

/// It is built in one pass over the source; each look-up is a binary search.
pub struct Table {
    /// For each character of several bytes: its end, and by how much bytes outnumber code points up to there.
    excess: Vec<(u32, u32)>,
    line_starts: Vec<u32>,
}

impl Table {
    pub fn new(source: &str) -> Self {
        let mut excess = Vec::new();
        if !source.is_ascii() {
            let mut sum = 0;
            for (start, character) in source.char_indices().filter(|(_, character)| !character.is_ascii()) {
                sum += character.len_utf8() as u32 - 1;
                excess.push(((start + character.len_utf8()) as u32, sum));
            }
        }
        let breaks = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at as u32 + 1)).collect();
        Self { excess, line_starts }
    }

    pub fn is_ascii(&self) -> bool {
        self.excess.is_empty()
    }

    /// Returns the code-point offset of a byte offset.
    pub fn point(&self, byte: u32) -> u32 {
        let passed = self.excess.partition_point(|(end, _)| *end <= byte);
        let excess = passed
            .checked_sub(1)
            .and_then(|last| self.excess.get(last))
            .map_or(0, |(_, sum)| *sum);
        byte.saturating_sub(excess)
    }

    /// Returns the line of a byte offset, counted from 1.
    pub fn line(&self, byte: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= byte)
    }

    pub fn points(&self, span: Span) -> Span {
        Span::new(self.point(span.start), self.point(span.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_lines_of_any_byte() {
        let table = Table::new("aé😀\nb");
        let points: Vec<u32> = [0, 1, 3, 7, 8, 9].into_iter().map(|byte| table.point(byte)).collect();
        assert_eq!(points, [0, 1, 2, 3, 4, 5]);
        assert_eq!([table.line(0), table.line(7), table.line(8)], [1, 1, 2]);
        assert!(Table::new("abc").is_ascii());
    }
}
