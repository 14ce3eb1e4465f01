//! The operation `ast.optimize`: remove dead code and white space, and shorten names.

use abi::Outcome;
use oxc_codegen::CodegenOptions;
use oxc_minifier::{
    CompressOptions, CompressOptionsKeepNames, MangleOptions, MangleOptionsKeepNames, Minifier, MinifierOptions,
};
use serde::{Deserialize, Serialize};

use crate::faithful;
use crate::language::{Kind, Language};
use crate::lower;
use crate::print;
use crate::source::Source;

#[derive(Deserialize)]
pub struct Args<'a> {
    source: &'a str,
    filename: &'a str,
    language: Language,
    source_type: Kind,
    compress: bool,
    mangle: bool,
    source_map: bool,
    keep_names: bool,
}

#[derive(Debug, Serialize)]
pub struct Optimized {
    code: String,
    map: Option<String>,
    input_bytes: usize,
    output_bytes: usize,
    unchecked: Vec<String>,
}

pub fn run(args: Args) -> Outcome<Optimized> {
    let source = Source::new(args.source, args.filename, args.language, args.source_type);
    let arena = source.arena();
    let mut program = source.parse_whole(&arena)?.program;
    let unchecked = match source.source_type.is_typescript() {
        true => lower::strip_types(&source, &arena, &mut program)?,
        false => Vec::new(),
    };
    let options = if faithful::has_with(&program) { untouched() } else { options(&args) };
    if options.compress.is_some() {
        faithful::settle_deletes(&arena, &mut program);
    }
    let minified = Minifier::new(options).minify(&arena, &mut program);
    let codegen = CodegenOptions {
        source_map_path: print::map_path(args.filename, args.source_map),
        ..CodegenOptions::minify()
    };
    let printed = print::print(&source, &program, codegen, minified.scoping)?;
    Ok(Optimized {
        input_bytes: args.source.len(),
        output_bytes: printed.code.len(),
        code: printed.code,
        map: printed.map,
        unchecked,
    })
}

fn options(args: &Args) -> MinifierOptions {
    let kept = args.keep_names;
    let names = CompressOptionsKeepNames { function: kept, class: kept };
    MinifierOptions {
        mangle: args.mangle.then(|| MangleOptions {
            keep_names: MangleOptionsKeepNames::from(kept),
            ..MangleOptions::default()
        }),
        compress: args.compress.then(|| CompressOptions {
            keep_names: names,
            ..CompressOptions::smallest()
        }),
        ..untouched()
    }
}

/// Neither folds nor renames anything.
fn untouched() -> MinifierOptions {
    MinifierOptions {
        mangle: None,
        compress: None,
        mangle_properties: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn optimized(source: &str, filename: &str) -> String {
        with_names(source, filename, false)
    }

    fn with_names(source: &str, filename: &str, keep_names: bool) -> String {
        let args = Args {
            source,
            filename,
            language: Language::Auto,
            source_type: Kind::Auto,
            compress: true,
            mangle: true,
            source_map: false,
            keep_names,
        };
        run(args).expect("the source is sound").code
    }

    #[test]
    fn comments_and_white_space_go() {
        assert_eq!(optimized("// hi\nexport const   a = 1 + 2;\n", "a.js"), "export const a=3;");
    }

    #[test]
    fn types_go() {
        assert_eq!(optimized("export const a: number = 1;", "a.ts"), "export const a=1;");
    }

    #[test]
    fn names_inside_with_stay() {
        let source = "function f(o,long){with(o)return long===undefined}";
        assert_eq!(optimized(source, "a.js"), source);
    }

    #[test]
    fn a_delete_of_a_value_stays_true() {
        assert!(!optimized("x = delete (0/0)", "a.js").contains("delete"));
        assert_eq!(optimized("x = delete a.b", "a.js"), "x=delete a.b;");
    }

    #[test]
    fn names_of_functions_and_classes_are_kept_on_request() {
        let source = "export const f = function long() {}, c = class Long {};";
        assert_eq!(optimized(source, "a.js"), "export const f=function(){},c=class{};");
        let kept = with_names(source, "a.js", true);
        assert!(kept.contains("function long") && kept.contains("class Long"), "{kept}");
    }
}
