//! Search for TODO, FIXME, HACK and XXX in comments.

use oxc_ast::ast::Comment;
use oxc_span::Span;
use serde::Serialize;

use crate::table::Table;

const TAGS: [&str; 4] = ["TODO", "FIXME", "HACK", "XXX"];

#[derive(Debug, Serialize)]
pub struct Todo {
    tag: &'static str,
    text: String,
    start: u32,
    end: u32,
    line: usize,
}

/// Finds the first tag in each line of each comment, with the rest of that line.
pub fn find(source: &str, comments: &[Comment], table: &Table) -> Vec<Todo> {
    let spans = comments.iter().map(Comment::content_span);
    spans
        .flat_map(|span| lines(source, span))
        .filter_map(|(start, line)| todo(start, line, table))
        .collect()
}

fn lines(source: &str, span: Span) -> Vec<(u32, &str)> {
    let mut start = span.start;
    let text = source.get(span.start as usize..span.end as usize).unwrap_or_default();
    let measured = text.split_inclusive('\n').map(|line| {
        let at = start;
        start += line.len() as u32;
        (at, line)
    });
    measured.collect()
}

fn todo(line_start: u32, line: &str, table: &Table) -> Option<Todo> {
    let (at, tag) = TAGS
        .iter()
        .filter_map(|tag| word(line, tag).map(|at| (at, *tag)))
        .min()?;
    let rest = line.get(at + tag.len()..).unwrap_or_default();
    let (start, end) = (
        line_start + at as u32,
        line_start + (at + tag.len() + rest.trim_end().len()) as u32,
    );
    let text = rest.trim().to_owned();
    Some(Todo {
        tag,
        text,
        start: table.point(start),
        end: table.point(end),
        line: table.line(start),
    })
}

/// Finds where a line has the tag as a whole word.
fn word(line: &str, tag: &str) -> Option<usize> {
    line.match_indices(tag).map(|(at, _)| at).find(|at| {
        let before = line.get(..*at).and_then(|text| text.chars().next_back());
        let after = line.get(at + tag.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '$'
}
