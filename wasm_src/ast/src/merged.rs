//! Namespaces and enums of TypeScript that oxc's transformer would lower to other code than TypeScript does.
//!
//! TypeScript makes `A.x` of each name `x` that a namespace `A` exports; oxc keeps a local variable and copies its
//! first value (seen in 0.146). The two are the same for a constant that is used in its own block, and only then.

use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::Scoping;
use oxc_span::{GetSpan, Span};

use crate::survey::bound_names;

/// A body of a namespace or an enum, with the names that it exports.
struct Block {
    path: String,
    span: Span,
    exported: Vec<String>,
}

/// Finds a place where the lowered code would differ from TypeScript's, and says why.
pub fn difference(program: &Program, scoping: &Scoping) -> Option<(Span, String)> {
    let mut blocks = Blocks {
        scoping,
        path: Vec::new(),
        found: Vec::new(),
        written: None,
    };
    blocks.visit_program(program);
    if let Some((span, name)) = blocks.written {
        let why = format!("`{name}` is exported by a namespace and written to; export a constant or a function");
        return Some((span, why));
    }
    let mut uses = Uses {
        scoping,
        blocks: &blocks.found,
        difference: None,
    };
    if uses.has_merged() {
        uses.visit_program(program);
    }
    uses.difference.map(|(span, name)| {
        let why = format!("`{name}` is exported by another block of the same namespace or enum; write it qualified");
        (span, why)
    })
}

/// Names what is copied once: a variable that a namespace exports, unless it is constant.
pub fn copied(program: &Program) -> Vec<String> {
    let mut search = Variables(false);
    search.visit_program(program);
    let said = "later values of the variables that a namespace exports, when others write to them";
    search.0.then(|| said.to_owned()).into_iter().collect()
}

struct Variables(bool);

impl<'a> Visit<'a> for Variables {
    fn visit_ts_module_block(&mut self, it: &TSModuleBlock<'a>) {
        self.0 |= it.body.iter().any(|statement| match statement {
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(variables) => !variables.declare && !variables.kind.is_const(),
                _ => false,
            },
            _ => false,
        });
        walk::walk_ts_module_block(self, it);
    }

    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        if !it.declare {
            walk::walk_ts_namespace_declaration(self, it);
        }
    }

    fn visit_ts_external_module_declaration(&mut self, _it: &TSExternalModuleDeclaration<'a>) {}

    fn visit_ts_global_declaration(&mut self, _it: &TSGlobalDeclaration<'a>) {}
}

struct Blocks<'s> {
    scoping: &'s Scoping,
    path: Vec<String>,
    found: Vec<Block>,
    written: Option<(Span, String)>,
}

impl Blocks<'_> {
    fn exported_by(&mut self, statement: &Statement) -> Vec<String> {
        let Some(ModuleDeclaration::ExportDeclaration(export)) = statement.as_module_declaration() else {
            return Vec::new();
        };
        if let Declaration::VariableDeclaration(variables) = &export.declaration {
            let bound = variables
                .declarations
                .iter()
                .flat_map(|one| one.id.get_binding_identifiers());
            let written = bound.into_iter().find(|id| self.is_written(id));
            self.written = self.written.take().or(written.map(|id| (id.span, id.name.to_string())));
        }
        bound_names(&export.declaration)
    }

    fn is_written(&self, id: &BindingIdentifier) -> bool {
        let symbol = id.symbol_id.get();
        symbol.is_some_and(|symbol| {
            self.scoping
                .get_resolved_references(symbol)
                .any(|reference| reference.is_write())
        })
    }

    fn add(&mut self, span: Span, exported: Vec<String>) {
        self.found.push(Block {
            path: self.path.join("."),
            span,
            exported,
        });
    }
}

impl<'a> Visit<'a> for Blocks<'_> {
    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        if it.declare {
            return;
        }
        self.path.push(it.id.name.to_string());
        match &it.body {
            TSNamespaceDeclarationBody::TSModuleBlock(block) => {
                let exported = block.body.iter().flat_map(|one| self.exported_by(one)).collect();
                self.add(block.span, exported);
            }
            TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => {
                self.add(inner.span, vec![inner.id.name.to_string()]);
            }
        }
        walk::walk_ts_namespace_declaration(self, it);
        self.path.pop();
    }

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        self.path.push(it.id.name.to_string());
        let members = it
            .body
            .members
            .iter()
            .map(|member| member.id.static_name().to_string())
            .collect();
        self.add(it.body.span, members);
        self.path.pop();
    }
}

struct Uses<'s, 'b> {
    scoping: &'s Scoping,
    blocks: &'b [Block],
    difference: Option<(Span, String)>,
}

impl Uses<'_, '_> {
    fn has_merged(&self) -> bool {
        let mut paths: Vec<&str> = self.blocks.iter().map(|block| block.path.as_str()).collect();
        paths.sort_unstable();
        paths
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if one == other))
    }

    /// Whether a name used inside a block is one that only another block of the same path declares.
    fn is_of_another(&self, name: &str, used: Span, declared: Option<Span>) -> bool {
        let around = self.blocks.iter().filter(|block| holds(block.span, used));
        around
            .filter(|block| !declared.is_some_and(|declared| holds(block.span, declared)))
            .any(|block| {
                self.others(block)
                    .any(|other| other.exported.iter().any(|exported| exported == name))
            })
    }

    fn others(&self, block: &Block) -> impl Iterator<Item = &Block> {
        let (path, span) = (block.path.clone(), block.span);
        self.blocks
            .iter()
            .filter(move |other| other.path == path && other.span != span)
    }
}

impl<'a> Visit<'a> for Uses<'_, '_> {
    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        let Some(reference) = it.reference_id.get().map(|id| self.scoping.get_reference(id)) else {
            return;
        };
        let declared = reference.symbol_id().map(|symbol| self.scoping.symbol_span(symbol));
        if reference.is_value() && self.is_of_another(&it.name, it.span(), declared) {
            self.difference = self.difference.take().or(Some((it.span, it.name.to_string())));
        }
    }
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
