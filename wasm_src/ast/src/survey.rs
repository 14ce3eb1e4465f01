//! The survey: what one walk over a tree collects for an outline.

use oxc_ast::ast::*;
use oxc_span::Span;
use oxc_syntax::number::ToJsString;

use crate::found::{Class as ClassFound, Export, Function as FunctionFound, Import};
use crate::table::Table;

pub struct Survey {
    table: Table,
    pub imports: Vec<Import>,
    pub exports: Vec<Export>,
    pub functions: Vec<FunctionFound>,
    pub classes: Vec<ClassFound>,
    /// One more than the number of decision points outside all functions.
    pub top_level: usize,
    /// Complexities so far of the functions around the current node, outermost first.
    open: Vec<usize>,
    pub class_names: Vec<String>,
    /// The name for the next function or class that has none of its own.
    pending: Option<(Span, String)>,
}

impl Survey {
    pub fn new(source: &str) -> Self {
        Self {
            table: Table::new(source),
            imports: Vec::new(),
            exports: Vec::new(),
            functions: Vec::new(),
            classes: Vec::new(),
            top_level: 1,
            open: Vec::new(),
            class_names: Vec::new(),
            pending: None,
        }
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    pub fn decide(&mut self) {
        *self.open.last_mut().unwrap_or(&mut self.top_level) += 1;
    }

    /// Gives a name to a value that is a function or a class.
    pub fn expect(&mut self, value: Span, name: Option<String>) {
        self.pending = name.map(|name| (value, name));
    }

    pub fn name_of(&mut self, span: Span, own: Option<&BindingIdentifier>) -> String {
        let given = self
            .pending
            .take_if(|(expected, _)| *expected == span)
            .map(|(_, name)| name);
        own.map(|id| id.name.to_string()).or(given).unwrap_or_default()
    }

    pub fn function(&mut self, span: Span, name: String, walk: impl FnOnce(&mut Self)) {
        self.open.push(1);
        walk(self);
        let complexity = self.open.pop().unwrap_or(1);
        let points = self.table.points(span);
        self.functions.push(FunctionFound {
            name,
            start: points.start,
            end: points.end,
            line: self.table.line(span.start),
            end_line: self.table.line(span.end),
            complexity,
        });
    }

    pub fn class(&mut self, span: Span, name: String) {
        let points = self.table.points(span);
        self.classes.push(ClassFound {
            name,
            start: points.start,
            end: points.end,
            line: self.table.line(span.start),
            end_line: self.table.line(span.end),
        });
    }

    pub fn in_class(&self, name: String) -> String {
        match self.class_names.last() {
            Some(class) if !class.is_empty() => format!("{class}.{name}"),
            _ => name,
        }
    }

    pub fn import(&mut self, span: Span, source: &StringLiteral, names: Vec<String>) {
        let points = self.table.points(span);
        let line = self.table.line(span.start);
        self.imports.push(Import {
            source: text(source),
            names,
            start: points.start,
            end: points.end,
            line,
        });
    }

    pub fn export_specifiers(&mut self, span: Span, specifiers: &[ExportSpecifier]) {
        for specifier in specifiers {
            self.export(span, exported_name(&specifier.exported));
        }
    }

    pub fn export(&mut self, span: Span, name: String) {
        let points = self.table.points(span);
        let line = self.table.line(span.start);
        self.exports.push(Export {
            name,
            start: points.start,
            end: points.end,
            line,
        });
    }
}

pub fn key_name(key: &PropertyKey) -> String {
    match key {
        PropertyKey::PrivateIdentifier(id) => format!("#{}", id.name),
        PropertyKey::NumericLiteral(number) => number.value.to_js_string(),
        PropertyKey::StringLiteral(literal) => text(literal),
        _ => key.static_name().map(|name| name.into_owned()).unwrap_or_default(),
    }
}

pub fn bound_names<'a>(declaration: &Declaration<'a>) -> Vec<String> {
    match declaration {
        Declaration::VariableDeclaration(variables) => {
            let declared = variables.declarations.iter();
            declared
                .flat_map(|one| one.id.get_binding_identifiers())
                .map(|id| id.name.to_string())
                .collect()
        }
        other => other.id().map(|id| id.name.to_string()).into_iter().collect(),
    }
}

pub fn property_name(target: &AssignmentTarget) -> Option<String> {
    let member = target.as_member_expression()?;
    match member {
        MemberExpression::ComputedMemberExpression(computed) => match &computed.expression {
            Expression::StringLiteral(literal) => Some(text(literal)),
            _ => member.static_property_name().map(str::to_owned),
        },
        MemberExpression::PrivateFieldExpression(private) => Some(format!("#{}", private.field.name)),
        _ => member.static_property_name().map(str::to_owned),
    }
}

pub fn exported_name(name: &ModuleExportName) -> String {
    match name {
        ModuleExportName::StringLiteral(literal) => text(literal),
        other => other.name().to_string(),
    }
}

/// What a literal stands for. oxc writes a lone surrogate as U+FFFD and its four digits; UTF-8 carries the first only.
fn text(literal: &StringLiteral) -> String {
    const LONE: char = '\u{FFFD}';
    const DIGITS: usize = 4;
    let value = literal.value.as_str();
    if !literal.lone_surrogates {
        return value.to_owned();
    }
    let mut parts = value.split(LONE);
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        written.push(LONE);
        written.push_str(part.get(DIGITS..).unwrap_or_default());
    }
    written
}
