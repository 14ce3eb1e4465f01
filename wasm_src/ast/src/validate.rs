//! The operation `ast.validate`: syntax errors, and the early errors that the specification defines.

use abi::Outcome;
use oxc_diagnostics::{OxcDiagnostic, Severity};
use oxc_semantic::SemanticBuilder;
use serde::{Deserialize, Serialize};

use crate::diagnostics::{self, Check, Diagnostic};
use crate::language::{self, Kind, Language};
use crate::source::Source;

#[derive(Deserialize)]
pub struct Args<'a> {
    source: &'a str,
    #[serde(default)]
    filename: &'a str,
    #[serde(default)]
    language: Language,
    #[serde(default)]
    source_type: Kind,
}

#[derive(Debug, Serialize)]
pub struct Report {
    valid: bool,
    language: &'static str,
    diagnostics: Vec<Diagnostic>,
    unchecked: [&'static str; 0],
}

pub fn run(args: Args) -> Outcome<Report> {
    let source = Source::new(args.source, args.filename, args.language, args.source_type);
    let found = check(&source);
    Ok(Report {
        valid: found.iter().all(|(_, diagnostic)| diagnostic.severity != Severity::Error),
        language: language::name(source.source_type),
        diagnostics: diagnostics::describe(source.text, found),
        unchecked: [],
    })
}

fn check(source: &Source) -> Vec<(Check, OxcDiagnostic)> {
    let arena = source.arena();
    let parsed = source.parse(&arena);
    let mut found: Vec<_> = parsed.diagnostics.into_iter().map(|one| (Check::Syntax, one)).collect();
    // Where the parser gave up, the tree is empty, and every name would be reported as missing.
    if !parsed.panicked {
        let semantic = SemanticBuilder::new_compiler().build(&parsed.program);
        found.extend(semantic.diagnostics.into_iter().map(|one| (Check::EarlyErrors, one)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validate(source: &str) -> Report {
        let args = Args { source, filename: "", language: Language::Auto, source_type: Kind::Auto };
        run(args).expect("validate has no faults")
    }

    #[test]
    fn a_sound_source_has_no_diagnostics() {
        let report = validate("export const a = <b>{1}</b>;\n");
        assert!(report.valid && report.diagnostics.is_empty(), "{report:?}");
        assert_eq!(report.language, "jsx");
    }

    #[test]
    fn a_redeclaration_is_found_where_it_is_repeated() {
        let report = validate("/* 😀 */ let a;\nlet a;");
        let found = &report.diagnostics[0];
        assert!(!report.valid);
        assert_eq!((found.code.as_str(), found.line, found.column, found.offset), ("redeclaration", 2, 5, 19));
        assert_eq!(found.length, 1);
    }

    #[test]
    fn grammar_and_early_errors_are_told_apart() {
        assert_eq!(validate("let = = 1").diagnostics[0].code, "unexpected-token");
        assert_eq!(validate("'use strict'; with (a) {}").diagnostics[0].code, "early-error");
    }
}
