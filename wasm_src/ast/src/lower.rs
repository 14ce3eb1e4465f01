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

/// Lowers a tree in place and returns its scopes.
pub fn lower<'a>(
    source: &Source<'a>,
    filename: &str,
    arena: &'a Allocator,
    program: &mut Program<'a>,
    options: &TransformOptions,
) -> Outcome<Scoping> {
    let analysed = SemanticBuilder::new()
        .with_excess_capacity(2.0)
        .with_enum_eval(true)
        .build(program);
    source.refuse_errors(&analysed.diagnostics)?;
    let scoping = analysed.semantic.into_scoping();
    if let Some((span, why)) = merged::difference(program, &scoping) {
        return Err(Fault::not_supported_in_lane(why).at(diagnostics::place_of(source.text, span)));
    }
    let done = Transformer::new(arena, Path::new(filename), options).build_with_scoping(scoping, program);
    source.refuse_errors(&done.diagnostics)?;
    Ok(done.scoping)
}

/// Removes the types of TypeScript and leaves everything else unchanged.
pub fn strip_types<'a>(source: &Source<'a>, arena: &'a Allocator, program: &mut Program<'a>) -> Outcome<()> {
    let options = TransformOptions {
        jsx: JsxOptions::disable(),
        ..TransformOptions::default()
    };
    lower(source, "", arena, program, &options).map(|_| ())
}
