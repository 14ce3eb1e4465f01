//! The operation `ast.outline`: imports, exports, declarations, complexity of functions, and TODO comments.

use abi::Outcome;
use oxc_ast_visit::Visit;
use serde::{Deserialize, Serialize};

use crate::found::{Class, Export, Function, Import};
use crate::language::{self, Kind, Language};
use crate::source::Source;
use crate::survey::Survey;
use crate::todos::{self, Todo};

#[derive(Deserialize)]
pub struct Args<'a> {
    source: &'a str,
    filename: &'a str,
    language: Language,
    source_type: Kind,
}

#[derive(Debug, Serialize)]
pub struct Outline {
    language: &'static str,
    imports: Vec<Import>,
    exports: Vec<Export>,
    functions: Vec<Function>,
    classes: Vec<Class>,
    todos: Vec<Todo>,
    complexity: usize,
    unchecked: [&'static str; 0],
}

pub fn run(args: Args) -> Outcome<Outline> {
    let source = Source::new(args.source, args.filename, args.language, args.source_type);
    let arena = source.arena();
    let parsed = source.parse_whole(&arena)?;
    let mut survey = Survey::new(args.source);
    survey.visit_program(&parsed.program);
    let todos = todos::find(args.source, &parsed.program.comments, survey.table());
    Ok(finished(language::name(source.source_type), survey, todos))
}

fn finished(language: &'static str, survey: Survey, todos: Vec<Todo>) -> Outline {
    let (mut functions, mut classes) = (survey.functions, survey.classes);
    functions.sort_by_key(|function| (function.start, function.end));
    classes.sort_by_key(|class| class.start);
    Outline {
        language,
        complexity: survey.top_level + functions.iter().map(|function| function.complexity).sum::<usize>(),
        imports: survey.imports,
        exports: survey.exports,
        functions,
        classes,
        todos,
        unchecked: [],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(source: &str) -> Outline {
        let args = Args { source, filename: "a.ts", language: Language::Auto, source_type: Kind::Auto };
        run(args).expect("the source is sound")
    }

    #[test]
    fn functions_are_named_after_what_holds_them() {
        let found = outline("class A { b() {} c = () => 1; static d() {} }\nconst e = function () {}; f.g = () => {}; h(() => 1);\nclass I { #j; k() { this.#j = () => 1 } }");
        let names: Vec<&str> = found.functions.iter().map(|function| function.name.as_str()).collect();
        assert_eq!(names, ["A.b", "A.c", "A.d", "e", "g", "", "I.k", "#j"]);
        assert_eq!(found.classes[0].name, "A");
    }

    #[test]
    fn complexity_counts_decisions_of_the_function_itself() {
        let found = outline("function a(x) { if (x && y) { for (;;) {} } else { x ?? (() => x ? 1 : 2) } }\nz || w;");
        let counted: Vec<usize> = found.functions.iter().map(|function| function.complexity).collect();
        assert_eq!(counted, [5, 2]);
        assert_eq!(found.complexity, 9);
    }

    #[test]
    fn imports_and_exports_have_their_names() {
        let found = outline("import a, {b as c} from 'x';\nexport * from 'y';\nexport const d = require('z'), {e} = d;\nexport default a;");
        let sources: Vec<&str> = found.imports.iter().map(|import| import.source.as_str()).collect();
        assert_eq!(sources, ["x", "y", "z"]);
        assert_eq!(found.imports[0].names, ["a", "c"]);
        let exports: Vec<&str> = found.exports.iter().map(|export| export.name.as_str()).collect();
        assert_eq!(exports, ["*", "d", "e", "default"]);
    }
}
