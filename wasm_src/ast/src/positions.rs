//! Conversion of byte offsets in UTF-8 into code points, lines and columns.

use abi::Place;

/// Walks a source forwards. Ask for rising offsets: a smaller one than before starts again at the top.
pub struct Walker<'a> {
    source: &'a str,
    byte: usize,
    line_start: usize,
    line: usize,
    offset: usize,
}

impl<'a> Walker<'a> {
    pub fn new(source: &'a str) -> Self {
        Self {
            source,
            byte: 0,
            line_start: 0,
            line: 1,
            offset: 0,
        }
    }

    pub fn place(&mut self, byte: usize) -> Place {
        if byte < self.byte {
            *self = Self::new(self.source);
        }
        let byte = floor(self.source, byte);
        let passed = &self.source.as_bytes()[self.byte..byte];
        let mut points = self.offset;
        for &unit in passed {
            points += usize::from(starts_a_point(unit));
            if unit == b'\n' {
                self.line += 1;
                self.line_start = points;
            }
        }
        self.byte = byte;
        self.offset = points;
        Place::text(self.line, points - self.line_start + 1, points)
    }
}

/// Counts the code points in a span of bytes, which may end outside the source or within a character.
pub fn points_between(source: &str, start: usize, end: usize) -> usize {
    let start = floor(source, start);
    let end = floor(source, end).max(start);
    source.as_bytes()[start..end]
        .iter()
        .filter(|unit| starts_a_point(**unit))
        .count()
}

fn floor(source: &str, byte: usize) -> usize {
    source.floor_char_boundary(byte.min(source.len()))
}

fn starts_a_point(unit: u8) -> bool {
    unit & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_code_points_and_lines() {
        let mut walker = Walker::new("aé😀\nb😀c");
        assert_eq!(walker.place(0), Place::text(1, 1, 0));
        assert_eq!(walker.place(3), Place::text(1, 3, 2));
        assert_eq!(walker.place(8), Place::text(2, 1, 4));
        assert_eq!(walker.place(13), Place::text(2, 3, 6));
        assert_eq!(walker.place(99), Place::text(2, 4, 7));
        assert_eq!(walker.place(1), Place::text(1, 2, 1));
    }

    #[test]
    fn lengths_tolerate_ends_outside_the_source() {
        assert_eq!(points_between("é😀x", 0, 6), 2);
        assert_eq!(points_between("é", 5, 9), 0);
    }
}
