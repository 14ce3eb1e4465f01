//! The walk that fills a survey: it finds names for functions and classes, and counts decision points.

use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_span::GetSpan;
use oxc_syntax::scope::ScopeFlags;

use crate::survey::{Survey, bound_names, exported_name, key_name, property_name};

impl<'a> Visit<'a> for Survey {
    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        let name = it.id.get_identifier_name().map(|name| name.to_string());
        if let Some(init) = &it.init {
            self.expect(init.get_inner_expression().span(), name);
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        if it.operator.is_logical() {
            self.decide();
        }
        self.visit_assignment_target(&it.left);
        let name = it
            .left
            .get_identifier_name()
            .map(str::to_owned)
            .or_else(|| property_name(&it.left));
        self.expect(it.right.get_inner_expression().span(), name);
        self.visit_expression(&it.right);
    }

    fn visit_object_property(&mut self, it: &ObjectProperty<'a>) {
        let name = key_name(&it.key);
        if let (true, Expression::FunctionExpression(function)) =
            (it.method || it.kind != PropertyKind::Init, &it.value)
        {
            self.visit_property_key(&it.key);
            self.function(it.span, name, |survey| {
                walk::walk_function(survey, function, ScopeFlags::Function)
            });
            return;
        }
        self.visit_property_key(&it.key);
        self.expect(it.value.get_inner_expression().span(), Some(name));
        self.visit_expression(&it.value);
    }

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        self.visit_decorators(&it.decorators);
        self.visit_property_key(&it.key);
        if it.value.body.is_some() {
            let name = self.in_class(key_name(&it.key));
            self.function(it.span, name, |survey| {
                walk::walk_function(survey, &it.value, ScopeFlags::Function)
            });
        }
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        if let Some(value) = &it.value {
            let name = self.in_class(key_name(&it.key));
            self.expect(value.get_inner_expression().span(), Some(name));
        }
        walk::walk_property_definition(self, it);
    }

    fn visit_class(&mut self, it: &Class<'a>) {
        let name = self.name_of(it.span, it.id.as_ref());
        self.class(it.span, name.clone());
        self.class_names.push(name);
        walk::walk_class(self, it);
        self.class_names.pop();
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        let name = self.name_of(it.span, it.id.as_ref());
        if it.body.is_some() {
            self.function(it.span, name, |survey| walk::walk_function(survey, it, flags));
        }
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        let name = self.name_of(it.span, None);
        self.function(it.span, name, |survey| walk::walk_arrow_function_expression(survey, it));
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        let specifiers = it.specifiers.iter().flatten();
        let names = specifiers.map(|specifier| specifier.local().name.to_string()).collect();
        self.import(it.span, &it.source, names);
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        if let Expression::StringLiteral(source) = &it.source {
            self.import(it.span, source, Vec::new());
        }
        walk::walk_import_expression(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if let Some(source) = it.common_js_require() {
            self.import(it.span, source, Vec::new());
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_export_declaration(&mut self, it: &ExportDeclaration<'a>) {
        for name in bound_names(&it.declaration) {
            self.export(it.span, name);
        }
        walk::walk_export_declaration(self, it);
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        self.export_specifiers(it.span, &it.specifiers);
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        self.import(it.span, &it.source, Vec::new());
        self.export_specifiers(it.span, &it.specifiers);
    }

    fn visit_export_default_declaration(&mut self, it: &ExportDefaultDeclaration<'a>) {
        self.export(it.span, "default".to_owned());
        walk::walk_export_default_declaration(self, it);
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        self.import(it.span, &it.source, Vec::new());
        let name = it.exported.as_ref().map_or_else(|| "*".to_owned(), exported_name);
        self.export(it.span, name);
    }

    fn visit_if_statement(&mut self, it: &IfStatement<'a>) {
        self.decide();
        walk::walk_if_statement(self, it);
    }

    fn visit_conditional_expression(&mut self, it: &ConditionalExpression<'a>) {
        self.decide();
        walk::walk_conditional_expression(self, it);
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        self.decide();
        walk::walk_for_statement(self, it);
    }

    fn visit_for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.decide();
        walk::walk_for_in_statement(self, it);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.decide();
        walk::walk_for_of_statement(self, it);
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        self.decide();
        walk::walk_while_statement(self, it);
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        self.decide();
        walk::walk_do_while_statement(self, it);
    }

    fn visit_switch_case(&mut self, it: &SwitchCase<'a>) {
        if it.test.is_some() {
            self.decide();
        }
        walk::walk_switch_case(self, it);
    }

    fn visit_catch_clause(&mut self, it: &CatchClause<'a>) {
        self.decide();
        walk::walk_catch_clause(self, it);
    }

    fn visit_logical_expression(&mut self, it: &LogicalExpression<'a>) {
        self.decide();
        walk::walk_logical_expression(self, it);
    }
}
