//! Conversion of oxc's diagnostics into ours: code, message, place and hint.

use abi::Place;
use oxc_diagnostics::{OxcDiagnostic, Severity};
use oxc_span::Span;
use serde::Serialize;

use crate::positions::{Walker, points_between};

#[derive(Debug, Serialize)]
pub struct Diagnostic {
    pub code: String,
    pub message: String,
    pub severity: &'static str,
    pub line: usize,
    pub column: usize,
    pub offset: usize,
    pub length: usize,
    pub hint: String,
}

/// The check that found an error: the grammar, or the early errors that the specification adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Syntax,
    EarlyErrors,
}

/// Codes by fragments of oxc's messages: oxc has no codes of its own, and these fragments have been stable.
const CODES: [(&str, &str); 14] = [
    ("has already been declared", "redeclaration"),
    ("Unexpected token", "unexpected-token"),
    ("Expected ", "expected-token"),
    ("Unterminated string", "unterminated-string"),
    ("Unterminated regular expression", "unterminated-regular-expression"),
    ("Unterminated multiLine comment", "unterminated-comment"),
    ("Unterminated multi-line comment", "unterminated-comment"),
    ("Invalid regular expression", "invalid-regular-expression"),
    ("Invalid Unicode escape", "invalid-escape"),
    ("Invalid escape", "invalid-escape"),
    ("is reserved", "reserved-word"),
    ("Cannot assign to", "invalid-assignment-target"),
    ("Duplicated export", "duplicate-export"),
    ("Use of undefined label", "undefined-label"),
];

/// Converts diagnostics in the order of the source, so that each place is counted from the one before.
pub fn describe(source: &str, mut found: Vec<(Check, OxcDiagnostic)>) -> Vec<Diagnostic> {
    found.sort_by_key(|(_, diagnostic)| start(diagnostic));
    let mut walker = Walker::new(source);
    found
        .iter()
        .map(|(check, diagnostic)| one(source, &mut walker, *check, diagnostic))
        .collect()
}

/// Returns where a span begins.
pub fn place_of(source: &str, span: Span) -> Place {
    Walker::new(source).place(span.start as usize)
}

pub fn place(source: &str, diagnostic: &OxcDiagnostic) -> Place {
    Walker::new(source).place(start(diagnostic))
}

pub fn start(diagnostic: &OxcDiagnostic) -> usize {
    span(diagnostic).start as usize
}

fn one(source: &str, walker: &mut Walker, check: Check, diagnostic: &OxcDiagnostic) -> Diagnostic {
    let span = span(diagnostic);
    let Place { line, column, offset } = walker.place(span.start as usize);
    Diagnostic {
        code: code(check, diagnostic),
        message: diagnostic.message.to_string(),
        severity: if diagnostic.severity == Severity::Error {
            "error"
        } else {
            "warning"
        },
        line: line.unwrap_or(1),
        column: column.unwrap_or(1),
        offset,
        length: points_between(source, span.start as usize, span.end as usize),
        hint: diagnostic.help.as_deref().unwrap_or_default().to_owned(),
    }
}

/// Finds the span of a diagnostic: the start of the source where it is about all of it.
fn span(diagnostic: &OxcDiagnostic) -> Span {
    let labels = &diagnostic.labels;
    // A redeclaration labels the first declaration first, but the error is at the second one.
    let redeclared = labels
        .get(1)
        .filter(|_| named_code(diagnostic) == Some("redeclaration"));
    let primary = labels.iter().find(|label| label.primary());
    primary
        .or(redeclared)
        .or(labels.first())
        .map_or(Span::default(), |label| label.span())
}

fn code(check: Check, diagnostic: &OxcDiagnostic) -> String {
    let oxc = &diagnostic.code;
    if let Some(number) = &oxc.number {
        let scope = oxc.scope.as_deref().unwrap_or("ts").to_ascii_lowercase();
        return format!("{scope}-{number}");
    }
    let general = match check {
        Check::Syntax => "syntax-error",
        Check::EarlyErrors => "early-error",
    };
    named_code(diagnostic).unwrap_or(general).to_owned()
}

fn named_code(diagnostic: &OxcDiagnostic) -> Option<&'static str> {
    CODES
        .iter()
        .find(|(fragment, _)| diagnostic.message.contains(fragment))
        .map(|(_, code)| *code)
}
