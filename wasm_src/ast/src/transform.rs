//! The operation `ast.transform`: rewrite types, JSX and newer syntax for older engines.

use std::str::FromStr;

use abi::{Fault, Outcome};
use oxc_codegen::CodegenOptions;
use oxc_transformer::{ESTarget, EnvOptions, JsxOptions, JsxRuntime, TransformOptions};
use serde::{Deserialize, Serialize};

use crate::language::{Kind, Language};
use crate::lower;
use crate::newer::{NEWEST, Newer};
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
    unchecked: Vec<String>,
}

pub fn run(args: Args) -> Outcome<Transformed> {
    let source = Source::new(args.source, args.filename, args.language, args.source_type);
    let arena = source.arena();
    let mut program = source.parse_whole(&arena)?.program;
    let options = options(args.target, args.jsx)?;
    let patterns = Newer::in_patterns(&program);
    let lowered = lower::lower(&source, args.filename, &arena, &mut program, &options)?;
    let mut unchecked = lowered.unchecked;
    unchecked.extend(patterns.and_in(&program).than(edition(args.target)));
    let codegen = CodegenOptions {
        source_map_path: print::map_path(args.filename, args.source_map),
        ..CodegenOptions::default()
    };
    let printed = print::print(&source, &program, codegen, Some(lowered.scoping))?;
    Ok(Transformed { code: printed.code, map: printed.map, unchecked })
}

/// The year of a target's edition.
fn edition(target: &str) -> u16 {
    target.strip_prefix("es").and_then(|year| year.parse().ok()).unwrap_or(NEWEST)
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
        whole(source, filename, target).expect("the source is sound").code
    }

    fn whole(source: &str, filename: &str, target: &str) -> Outcome<Transformed> {
        let args = Args {
            source,
            filename,
            language: Language::Auto,
            source_type: Kind::Auto,
            target,
            jsx: Jsx::Automatic,
            source_map: false,
        };
        run(args)
    }

    fn left(source: &str, target: &str) -> Vec<String> {
        whole(source, "a.ts", target).expect("the source is sound").unchecked
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

    #[test]
    fn what_is_left_is_named() {
        for (source, left_in) in [
            ("@d class A {}", "decorators"),
            ("class A { accessor a }", "`accessor` fields"),
            ("a = /(?i:b)/", "modifiers in a regular expression"),
            ("a = /(?<b>c)/", "named groups in a regular expression"),
            ("await a; export {}", "top-level `await`"),
            ("a = 1n", "BigInt literals"),
            ("import a from 'a' with {}; a", "import attributes"),
        ] {
            let found = left(source, "es2015");
            assert!(found.iter().any(|said| said.contains(left_in)), "{source}: {found:?}");
        }
    }

    #[test]
    fn what_is_lowered_is_not_named() {
        let source = "async function* f() { a ??= b?.c ** {...d}; for await (e of g); try {} catch {} }";
        assert_eq!(left(source, "es2015"), Vec::<String>::new());
        assert_eq!(left("class A { #a = 1; static { a } b() { return #a in this } }", "es2015"), Vec::<String>::new());
        assert_eq!(left("await 1n; a = /(?i:b)/v; export {}", "esnext"), Vec::<String>::new());
    }

    #[test]
    fn a_variable_of_a_namespace_is_copied_once_which_is_named() {
        let left_in = left("namespace A { export let x = 1 }", "esnext");
        assert!(left_in[0].contains("namespace"), "{left_in:?}");
        assert_eq!(left("namespace A { export const x = 1; let y }", "esnext"), Vec::<String>::new());
    }

    #[test]
    fn what_would_be_lowered_to_other_code_is_refused() {
        for source in [
            "namespace A { export const x = 1 } namespace A { f(x) }",
            "namespace A { export const x = 1 } namespace A { namespace B { f(x) } }",
            "namespace A.B { export const x = 1 } namespace A { export namespace B { f(x) } }",
            "namespace A { export let x = 1; x++ }",
            "enum A { B } enum A { C = B }",
            "{ namespace A { export const x = 1 } }",
            "for (;;) { export interface A {} }",
            "for (;;) { export default interface A {} }",
        ] {
            assert!(whole(source, "a.ts", "esnext").is_err(), "{source}");
        }
        for source in [
            "namespace A { export const x = 1; f(x) }",
            "namespace A { export const x = 1 } namespace A { f(A.x); const x = 2; f(x) }",
            "namespace A { export type x = 1 } namespace A { let y: x }",
            "declare namespace A { let x; } namespace A { f(x) }",
        ] {
            assert!(whole(source, "a.ts", "esnext").is_ok(), "{source}");
        }
    }
}
