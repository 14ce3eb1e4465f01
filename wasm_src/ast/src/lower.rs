//! oxc's transformer, set up for `ast.optimize` (of TypeScript) and `ast.transform`.

use std::path::Path;

use abi::{Fault, Outcome};
use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_semantic::{Scoping, SemanticBuilder};
use oxc_transformer::{JsxOptions, TransformOptions, Transformer};

use crate::diagnostics;
use crate::merged;
use crate::source::Source;

/// The scopes of a lowered tree, and what its code does not do that TypeScript's does.
pub struct Lowered {
    pub scoping: Scoping,
    pub unchecked: Vec<String>,
}

/// Lowers a tree in place.
pub fn lower<'a>(
    source: &Source<'a>,
    filename: &str,
    arena: &'a Allocator,
    program: &mut Program<'a>,
    options: &TransformOptions,
) -> Outcome<Lowered> {
    let analysed = SemanticBuilder::new()
        .with_excess_capacity(2.0)
        .with_enum_eval(true)
        .build(program);
    source.refuse_errors(&analysed.diagnostics)?;
    let scoping = analysed.semantic.into_scoping();
    if let Some((span, why)) = merged::difference(program, &scoping) {
        return Err(Fault::not_supported_in_lane(why).at(diagnostics::place_of(source.text, span)));
    }
    let unchecked = merged::copied(program);
    let done = Transformer::new(arena, Path::new(filename), options).build_with_scoping(scoping, program);
    source.refuse_errors(&done.diagnostics)?;
    Ok(Lowered {
        scoping: done.scoping,
        unchecked,
    })
}

/// Removes the types of TypeScript and leaves everything else unchanged. Returns what is not done.
pub fn strip_types<'a>(source: &Source<'a>, arena: &'a Allocator, program: &mut Program<'a>) -> Outcome<Vec<String>> {
    let options = TransformOptions {
        jsx: JsxOptions::disable(),
        ..TransformOptions::default()
    };
    lower(source, "", arena, program, &options).map(|lowered| lowered.unchecked)
}
