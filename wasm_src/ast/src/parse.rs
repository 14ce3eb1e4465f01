//! The operation `ast.parse`: a source as an ESTree tree, for TypeScript in the form of typescript-estree.

use abi::{Fault, Outcome};
use oxc_ast::ast::Program;
use oxc_ast_visit::VisitMut;
use oxc_span::Span;
use serde::{Deserialize, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::carried::carried;
use crate::language::{self, Kind, Language};
use crate::source::Source;
use crate::table::Table;

#[derive(Deserialize)]
pub struct Args<'a> {
    source: &'a str,
    filename: &'a str,
    language: Language,
    source_type: Kind,
    objects: bool,
}

#[derive(Serialize)]
pub struct Tree {
    language: &'static str,
    estree: Estree,
    unchecked: [&'static str; 0],
}

/// The tree: JSON as bytes, or JSON that is transcoded into objects of the reply.
enum Estree {
    Json(ByteBuf),
    Objects(String),
}

impl Serialize for Estree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(bytes) => bytes.serialize(serializer),
            Self::Objects(json) => {
                let mut source = serde_json::Deserializer::from_str(json);
                serde_transcode::transcode(&mut source, serializer)
            }
        }
    }
}

pub fn run(args: Args) -> Outcome<Tree> {
    let source = Source::new(args.source, args.filename, args.language, args.source_type);
    let arena = source.arena();
    let mut parsed = source.parse_whole(&arena)?;
    in_code_points(args.source, &mut parsed.program);
    let json = parsed.program.to_estree_json(source.source_type.is_typescript(), false);
    if u32::try_from(json.len()).is_err() {
        return Err(Fault::output_too_large("the tree is over 4 GiB"));
    }
    let estree = if args.objects { Estree::Objects(carried(&json)) } else { Estree::Json(ByteBuf::from(json)) };
    Ok(Tree { language: language::name(source.source_type), estree, unchecked: [] })
}

/// Converts all spans to code points, which our results count in; oxc counts bytes of UTF-8.
fn in_code_points(source: &str, program: &mut Program) {
    let table = Table::new(source);
    if table.is_ascii() {
        return;
    }
    let mut converter = Converter(&table);
    converter.visit_program(program);
    for comment in &mut program.comments {
        comment.span = table.points(comment.span);
    }
}

struct Converter<'t>(&'t Table);

impl<'a> VisitMut<'a> for Converter<'_> {
    fn visit_span(&mut self, span: &mut Span) {
        *span = self.0.points(*span);
    }
}
