//! A source on its way through oxc.

use abi::{Fault, Outcome};
use oxc_allocator::Allocator;
use oxc_diagnostics::{OxcDiagnostic, Severity};
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_span::SourceType;

use crate::language::{Kind, Language};
use crate::{diagnostics, language};

/// The arguments that every operation of the module starts with.
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

    /// An arena whose first chunk holds the tree of an ordinary source of this size.
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

    /// For the operations that need a whole tree: the first error is the answer.
    pub fn parse_whole<'arena>(&self, arena: &'arena Allocator) -> Outcome<ParserReturn<'arena>>
    where
        'a: 'arena,
    {
        let parsed = self.parse(arena);
        self.refuse_errors(&parsed.diagnostics)?;
        Ok(parsed)
    }

    /// The first error among what oxc reports, as the fault InvalidSource.
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
