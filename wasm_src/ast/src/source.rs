//! A source text with its language: parsing it with oxc, and turning oxc's errors into faults.

use abi::{Fault, Outcome};
use oxc_allocator::Allocator;
use oxc_diagnostics::{OxcDiagnostic, Severity};
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_span::SourceType;

use crate::language::{Kind, Language};
use crate::{diagnostics, language};

/// A source text, and the language and kind that it is in.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub text: &'a str,
    pub source_type: SourceType,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str, filename: &str, language: Language, kind: Kind) -> Self {
        Self {
            text,
            source_type: language::source_type(filename, language, kind),
        }
    }

    /// Makes an arena whose first chunk is large enough for the tree of an ordinary source of this size.
    pub fn arena(&self) -> Allocator {
        const TREE_BYTES_PER_SOURCE_BYTE: usize = 8;
        const FIRST_CHUNK_MAX_BYTES: usize = 32 << 20;
        Allocator::with_capacity((self.text.len() * TREE_BYTES_PER_SOURCE_BYTE).min(FIRST_CHUNK_MAX_BYTES))
    }

    pub fn parse<'arena>(&self, arena: &'arena Allocator) -> ParserReturn<'arena>
    where
        'a: 'arena,
    {
        let options = ParseOptions {
            parse_regular_expression: true,
            ..ParseOptions::default()
        };
        Parser::new(arena, self.text, self.source_type)
            .with_options(options)
            .parse()
    }

    /// Parses for an operation that needs a whole tree. The first error becomes a fault.
    pub fn parse_whole<'arena>(&self, arena: &'arena Allocator) -> Outcome<ParserReturn<'arena>>
    where
        'a: 'arena,
    {
        let parsed = self.parse(arena);
        self.refuse_errors(&parsed.diagnostics)?;
        Ok(parsed)
    }

    /// Turns the first error that oxc reports into the fault InvalidSource.
    pub fn refuse_errors(&self, reported: &[OxcDiagnostic]) -> Outcome<()> {
        let errors = reported.iter().filter(|found| found.severity == Severity::Error);
        match errors.min_by_key(|found| diagnostics::start(found)) {
            Some(error) => {
                Err(Fault::invalid_source(error.message.to_string()).at(diagnostics::place(self.text, error)))
            }
            None => Ok(()),
        }
    }
}
