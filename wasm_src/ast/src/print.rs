//! Printing of a tree as source text, with a source map where one is asked for.

use std::path::PathBuf;

use oxc_ast::ast::Program;
use oxc_codegen::{Codegen, CodegenOptions, CodegenReturn};
use oxc_semantic::Scoping;

pub struct Printed {
    pub code: String,
    pub map: Option<String>,
}

pub fn print(program: &Program, options: CodegenOptions, scoping: Option<Scoping>) -> Printed {
    let CodegenReturn { code, map, .. } = Codegen::new()
        .with_options(options)
        .with_scoping(scoping)
        .build(program);
    Printed {
        code,
        map: map.map(|map| map.to_json_string()),
    }
}

/// Returns the name of the source in a source map.
pub fn map_path(filename: &str, wanted: bool) -> Option<PathBuf> {
    wanted.then(|| PathBuf::from(if filename.is_empty() { "input" } else { filename }))
}
