//! Syntax that is newer than a target: what a lowering leaves is found by looking for it in the result.

use std::collections::BTreeSet;

use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_syntax::scope::ScopeFlags;

use crate::patterns;

/// The edition of esnext: the newest that `ast.transform` knows by its year.
pub const NEWEST: u16 = 2026;
/// The edition of what is a proposal.
pub const PROPOSAL: u16 = u16::MAX;

/// A piece of syntax: the year of the first edition of ECMAScript that has it, and its name.
pub type Feature = (u16, &'static str);

/// Collects the syntax in a tree. The patterns of its regular expressions are asked for apart, because a lowered tree
/// holds them as texts.
#[derive(Default)]
pub struct Newer {
    found: BTreeSet<Feature>,
    open_functions: usize,
}

impl Newer {
    /// Collects the syntax of the regular expressions in a tree that is not lowered yet.
    pub fn in_patterns(program: &Program) -> Self {
        let mut patterns = patterns::Literals::default();
        patterns.visit_program(program);
        Self {
            found: patterns.found,
            open_functions: 0,
        }
    }

    /// Adds the syntax of a lowered tree.
    pub fn and_in(mut self, program: &Program) -> Self {
        self.visit_program(program);
        self
    }

    /// Says of each piece of syntax newer than an edition that it is left.
    pub fn than(&self, edition: u16) -> Vec<String> {
        self.found
            .iter()
            .filter(|(year, _)| *year > edition)
            .map(|feature| said(*feature))
            .collect()
    }

    fn add(&mut self, edition: u16, name: &'static str) {
        self.found.insert((edition, name));
    }

    fn phase(&mut self, phase: Option<ImportPhase>) {
        match phase {
            Some(ImportPhase::Defer) => self.add(PROPOSAL, "`import defer`"),
            Some(ImportPhase::Source) => self.add(PROPOSAL, "`import source`"),
            None => {}
        }
    }
}

fn said((edition, name): Feature) -> String {
    match edition {
        PROPOSAL => format!("left as in the source: {name} (a proposal, in no edition of ECMAScript)"),
        _ => format!("left as in the source: {name} (es{edition})"),
    }
}

impl<'a> Visit<'a> for Newer {
    fn visit_binary_expression(&mut self, it: &BinaryExpression<'a>) {
        if it.operator == BinaryOperator::Exponential {
            self.add(2016, "`**`");
        }
        walk::walk_binary_expression(self, it);
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        if it.operator == AssignmentOperator::Exponential {
            self.add(2016, "`**`");
        }
        if it.operator.is_logical() {
            self.add(2021, "logical assignment");
        }
        walk::walk_assignment_expression(self, it);
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        match (it.r#async, it.generator) {
            (true, true) => self.add(2018, "asynchronous generators"),
            (true, false) => self.add(2017, "asynchronous functions"),
            _ => {}
        }
        self.open_functions += 1;
        walk::walk_function(self, it, flags);
        self.open_functions -= 1;
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        if it.r#async {
            self.add(2017, "asynchronous functions");
        }
        self.open_functions += 1;
        walk::walk_arrow_function_expression(self, it);
        self.open_functions -= 1;
    }

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        if self.open_functions == 0 {
            self.add(2022, "top-level `await`");
        }
        walk::walk_await_expression(self, it);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        if it.r#await {
            self.add(2018, "`for await`");
            if self.open_functions == 0 {
                self.add(2022, "top-level `await`");
            }
        }
        walk::walk_for_of_statement(self, it);
    }

    fn visit_object_property_kind(&mut self, it: &ObjectPropertyKind<'a>) {
        if matches!(it, ObjectPropertyKind::SpreadProperty(_)) {
            self.add(2018, "spread and rest in objects");
        }
        walk::walk_object_property_kind(self, it);
    }

    fn visit_object_pattern(&mut self, it: &ObjectPattern<'a>) {
        if it.rest.is_some() {
            self.add(2018, "spread and rest in objects");
        }
        walk::walk_object_pattern(self, it);
    }

    fn visit_object_assignment_target(&mut self, it: &ObjectAssignmentTarget<'a>) {
        if it.rest.is_some() {
            self.add(2018, "spread and rest in objects");
        }
        walk::walk_object_assignment_target(self, it);
    }

    fn visit_template_element(&mut self, it: &TemplateElement<'a>) {
        if it.value.cooked.is_none() {
            self.add(2018, "invalid escapes in tagged templates");
        }
    }

    fn visit_catch_clause(&mut self, it: &CatchClause<'a>) {
        if it.param.is_none() {
            self.add(2019, "`catch` without a parameter");
        }
        walk::walk_catch_clause(self, it);
    }

    fn visit_big_int_literal(&mut self, _it: &BigIntLiteral<'a>) {
        self.add(2020, "BigInt literals");
    }

    fn visit_logical_expression(&mut self, it: &LogicalExpression<'a>) {
        if it.operator == LogicalOperator::Coalesce {
            self.add(2020, "`??`");
        }
        walk::walk_logical_expression(self, it);
    }

    fn visit_chain_expression(&mut self, it: &ChainExpression<'a>) {
        self.add(2020, "`?.`");
        walk::walk_chain_expression(self, it);
    }

    fn visit_import_meta(&mut self, _it: &ImportMeta) {
        self.add(2020, "`import.meta`");
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        self.add(2020, "`import()`");
        self.phase(it.phase);
        if it.options.is_some() {
            self.add(2025, "import attributes");
        }
        walk::walk_import_expression(self, it);
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        self.phase(it.phase);
        walk::walk_import_declaration(self, it);
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        if it.exported.is_some() {
            self.add(2020, "`export * as`");
        }
        walk::walk_export_all_declaration(self, it);
    }

    fn visit_with_clause(&mut self, _it: &WithClause<'a>) {
        self.add(2025, "import attributes");
    }

    fn visit_module_export_name(&mut self, it: &ModuleExportName<'a>) {
        if matches!(it, ModuleExportName::StringLiteral(_)) {
            self.add(2022, "names of exports that are strings");
        }
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        self.add(2022, "class fields");
        walk::walk_property_definition(self, it);
    }

    fn visit_private_identifier(&mut self, _it: &PrivateIdentifier<'a>) {
        self.add(2022, "private names");
    }

    fn visit_static_block(&mut self, it: &StaticBlock<'a>) {
        self.add(2022, "static blocks");
        walk::walk_static_block(self, it);
    }

    fn visit_hashbang(&mut self, _it: &Hashbang<'a>) {
        self.add(2023, "the first line `#!`");
    }

    fn visit_variable_declaration(&mut self, it: &VariableDeclaration<'a>) {
        if matches!(
            it.kind,
            VariableDeclarationKind::Using | VariableDeclarationKind::AwaitUsing
        ) {
            self.add(2026, "`using`");
        }
        walk::walk_variable_declaration(self, it);
    }

    fn visit_accessor_property(&mut self, it: &AccessorProperty<'a>) {
        self.add(PROPOSAL, "`accessor` fields");
        walk::walk_accessor_property(self, it);
    }

    fn visit_decorator(&mut self, it: &Decorator<'a>) {
        self.add(PROPOSAL, "decorators");
        walk::walk_decorator(self, it);
    }
}
