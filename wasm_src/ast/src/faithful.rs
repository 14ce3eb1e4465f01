//! What a source needs so that oxc's minifier keeps its meaning (seen in 0.146).

use oxc_allocator::{Allocator, ArenaVec, TakeIn};
use oxc_ast::ast::*;
use oxc_ast::builder::AstBuilder;
use oxc_ast_visit::{Visit, VisitMut, walk_mut};
use oxc_span::GetSpan;

/// Whether a program has a `with` statement: any name inside may then be a property, so none may be folded or renamed.
pub fn has_with(program: &Program) -> bool {
    let mut search = With(false);
    search.visit_program(program);
    search.0
}

struct With(bool);

impl<'a> Visit<'a> for With {
    fn visit_with_statement(&mut self, _it: &WithStatement<'a>) {
        self.0 = true;
    }
}

/// Writes `(x, true)` for each `delete x` in which `x` is no reference, for folding could make one of it: of
/// `delete (0/0)`, which is true, it makes `delete NaN`, which is false.
pub fn settle_deletes<'a>(arena: &'a Allocator, program: &mut Program<'a>) {
    Deletes {
        arena,
        builder: AstBuilder::new(arena),
    }
    .visit_program(program);
}

struct Deletes<'a> {
    arena: &'a Allocator,
    builder: AstBuilder<'a>,
}

impl<'a> VisitMut<'a> for Deletes<'a> {
    fn visit_expression(&mut self, it: &mut Expression<'a>) {
        walk_mut::walk_expression(self, it);
        let Expression::UnaryExpression(unary) = it else {
            return;
        };
        if unary.operator != UnaryOperator::Delete || is_reference(&unary.argument) {
            return;
        }
        let span = unary.span.span();
        let argument = unary.argument.take_in(&self.arena);
        let deleted = Expression::new_boolean_literal(span, true, &self.builder);
        let both = ArenaVec::from_array_in([argument, deleted], &self.arena);
        *it = Expression::new_sequence_expression(span, both, &self.builder);
    }
}

fn is_reference(argument: &Expression) -> bool {
    let inner = argument.get_inner_expression();
    inner.is_member_expression() || matches!(inner, Expression::Identifier(_) | Expression::ChainExpression(_))
}
