//! The operation `ast.optimize`: remove dead code and white space, and shorten names.

use abi::Outcome;
use oxc_codegen::CodegenOptions;
use oxc_minifier::{CompressOptions, MangleOptions, Minifier, MinifierOptions};
use serde::{Deserialize, Serialize};

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
}

#[derive(Debug, Serialize)]
pub struct Optimized {
    code: String,
    map: Option<String>,
    input_bytes: usize,
    output_bytes: usize,
    unchecked: [&'static str; 0],
}

pub fn run(args: Args) -> Outcome<Optimized> {
    let source = Source::new(args.source, args.filename, args.language, args.source_type);
    let arena = source.arena();
    let mut program = source.parse_whole(&arena)?.program;
    if source.source_type.is_typescript() {
        lower::strip_types(&source, &arena, &mut program)?;
    }
    let minified = Minifier::new(options(&args)).minify(&arena, &mut program);
    let codegen = CodegenOptions {
        source_map_path: print::map_path(args.filename, args.source_map),
        ..CodegenOptions::minify()
    };
    let printed = print::print(&program, codegen, minified.scoping);
    Ok(Optimized {
        input_bytes: args.source.len(),
        output_bytes: printed.code.len(),
        code: printed.code,
        map: printed.map,
        unchecked: [],
    })
}

fn options(args: &Args) -> MinifierOptions {
    MinifierOptions {
        mangle: args.mangle.then(MangleOptions::default),
        compress: args.compress.then(CompressOptions::smallest),
        ..MinifierOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn optimized(source: &str, filename: &str) -> String {
        let args = Args {
            source,
            filename,
            language: Language::Auto,
            source_type: Kind::Auto,
            compress: true,
            mangle: true,
            source_map: false,
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
}
