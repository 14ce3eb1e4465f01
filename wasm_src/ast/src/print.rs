//! Printing of a tree as source text, with a source map where one is asked for.

use std::path::PathBuf;

use abi::{Fault, Outcome};
use oxc_allocator::Allocator;
use oxc_ast::ast::{Program, TSInterfaceDeclaration};
use oxc_ast_visit::Visit;
use oxc_codegen::{Codegen, CodegenOptions, CodegenReturn};
use oxc_diagnostics::Severity;
use oxc_parser::Parser;
use oxc_semantic::Scoping;

use crate::source::Source;

pub struct Printed {
    pub code: String,
    pub map: Option<String>,
}

/// Prints a tree. Fails where TypeScript is left in it: oxc keeps some that stands where it may not (seen in 0.146).
pub fn print(
    source: &Source,
    program: &Program,
    options: CodegenOptions,
    scoping: Option<Scoping>,
) -> Outcome<Printed> {
    let CodegenReturn { code, map, .. } = Codegen::new()
        .with_options(options)
        .with_scoping(scoping)
        .build(program);
    if source.source_type.is_typescript() {
        refuse_leftovers(source, &code)?;
    }
    Ok(Printed {
        code,
        map: map.map(|map| map.to_json_string()),
    })
}

fn refuse_leftovers(source: &Source, code: &str) -> Outcome<()> {
    let arena = Allocator::default();
    let plain = source.source_type.with_javascript(true).with_jsx(true);
    let parsed = Parser::new(&arena, code, plain).parse();
    let mut errors = parsed
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error);
    let mut interfaces = Interfaces(false);
    interfaces.visit_program(&parsed.program);
    let why = match errors.next() {
        Some(error) => error.message.to_string(),
        None if interfaces.0 => "an interface".to_owned(),
        None => return Ok(()),
    };
    Err(Fault::not_supported_in_lane(format!(
        "TypeScript is left that stands where it cannot be removed: {why}"
    )))
}

/// Looks for interfaces, which oxc's parser takes in JavaScript behind `export default`.
struct Interfaces(bool);

impl<'a> Visit<'a> for Interfaces {
    fn visit_ts_interface_declaration(&mut self, _it: &TSInterfaceDeclaration<'a>) {
        self.0 = true;
    }
}

/// Returns the name of the source in a source map.
pub fn map_path(filename: &str, wanted: bool) -> Option<PathBuf> {
    wanted.then(|| PathBuf::from(if filename.is_empty() { "input" } else { filename }))
}
