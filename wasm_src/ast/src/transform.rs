//! The operation `ast.transform`: rewrite types, JSX and newer syntax for older engines.

use std::str::FromStr;

use abi::{Fault, Outcome};
use oxc_codegen::CodegenOptions;
use oxc_transformer::{ESTarget, EnvOptions, JsxOptions, JsxRuntime, TransformOptions};
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
    target: &'a str,
    jsx: Jsx,
    source_map: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jsx {
    Automatic,
    Classic,
    Preserve,
}

#[derive(Debug, Serialize)]
pub struct Transformed {
    code: String,
    map: Option<String>,
    unchecked: [&'static str; 0],
}

pub fn run(args: Args) -> Outcome<Transformed> {
    let source = Source::new(args.source, args.filename, args.language, args.source_type);
    let arena = source.arena();
    let mut program = source.parse_whole(&arena)?.program;
    let options = options(args.target, args.jsx)?;
    let scoping = lower::lower(&source, args.filename, &arena, &mut program, &options)?;
    let codegen = CodegenOptions {
        source_map_path: print::map_path(args.filename, args.source_map),
        ..CodegenOptions::default()
    };
    let printed = print::print(&program, codegen, Some(scoping));
    Ok(Transformed { code: printed.code, map: printed.map, unchecked: [] })
}

fn options(target: &str, jsx: Jsx) -> Outcome<TransformOptions> {
    Ok(TransformOptions { env: environment(target)?, jsx: jsx_options(jsx), ..TransformOptions::default() })
}

fn environment(target: &str) -> Outcome<EnvOptions> {
    if target == "es5" {
        return Err(Fault::not_supported_in_lane("target: es5 is not supported; es2015 is the oldest target"));
    }
    let known = ESTarget::from_str(target).map(|_| EnvOptions::from_target(target));
    match known {
        Ok(Ok(environment)) => Ok(environment),
        _ => Err(Fault::invalid_arguments(format!("target: {target:?} is not known; give es2015 to es2026 or esnext"))),
    }
}

fn jsx_options(jsx: Jsx) -> JsxOptions {
    match jsx {
        Jsx::Preserve => JsxOptions::disable(),
        Jsx::Automatic => JsxOptions { runtime: JsxRuntime::Automatic, ..JsxOptions::enable() },
        Jsx::Classic => JsxOptions { runtime: JsxRuntime::Classic, ..JsxOptions::enable() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformed(source: &str, filename: &str, target: &str) -> String {
        let args = Args {
            source,
            filename,
            language: Language::Auto,
            source_type: Kind::Auto,
            target,
            jsx: Jsx::Automatic,
            source_map: false,
        };
        run(args).expect("the source is sound").code
    }

    #[test]
    fn newer_syntax_is_lowered() {
        assert!(!transformed("export const a = b ?? c;", "a.js", "es2019").contains("??"));
        assert!(transformed("export const a = b ?? c;", "a.js", "esnext").contains("??"));
    }

    #[test]
    fn types_and_jsx_go() {
        let code = transformed("export const a: number = <b/>;", "a.tsx", "esnext");
        assert!(!code.contains("number") && code.contains("react/jsx-runtime"), "{code}");
    }
}
