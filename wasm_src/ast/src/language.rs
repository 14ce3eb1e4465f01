//! The language of a source, chosen from the arguments and the filename.

use oxc_span::SourceType;
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Auto,
    Javascript,
    Jsx,
    Typescript,
    Tsx,
}

/// With `Auto`, a source with an import or export in it is a module, any other is a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Auto,
    Script,
    Module,
}

pub fn source_type(filename: &str, language: Language, kind: Kind) -> SourceType {
    let filename = filename.to_ascii_lowercase();
    let typed = match language {
        Language::Auto => by_extension(&filename),
        Language::Javascript => SourceType::unambiguous(),
        Language::Jsx => SourceType::unambiguous().with_jsx(true),
        Language::Typescript => typescript(&filename),
        Language::Tsx => tsx(),
    };
    match kind {
        Kind::Auto if ends_with_any(&filename, &[".mjs", ".mts"]) => typed.with_module(true),
        Kind::Auto if ends_with_any(&filename, &[".cjs", ".cts"]) => typed.with_commonjs(true),
        Kind::Auto => typed,
        Kind::Script => typed.with_script(true),
        Kind::Module => typed.with_module(true),
    }
}

/// Returns the name of the kind that `source_type` chose, never "auto".
pub fn name(source_type: SourceType) -> &'static str {
    match (source_type.is_typescript(), source_type.is_jsx()) {
        (false, false) => "javascript",
        (false, true) => "jsx",
        (true, false) => "typescript",
        (true, true) => "tsx",
    }
}

fn by_extension(filename: &str) -> SourceType {
    if filename.ends_with(".tsx") {
        tsx()
    } else if ends_with_any(filename, &[".ts", ".mts", ".cts"]) {
        typescript(filename)
    } else {
        SourceType::unambiguous().with_jsx(true)
    }
}

fn typescript(filename: &str) -> SourceType {
    let definition = ends_with_any(filename, &[".d.ts", ".d.mts", ".d.cts"]);
    SourceType::unambiguous()
        .with_typescript(true)
        .with_typescript_definition(definition)
}

fn tsx() -> SourceType {
    SourceType::unambiguous().with_typescript(true).with_jsx(true)
}

fn ends_with_any(filename: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| filename.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_when_nobody_else_does() {
        for (filename, expected) in [
            ("a.js", "jsx"),
            ("", "jsx"),
            ("a.py", "jsx"),
            ("A.TS", "typescript"),
            ("a.d.ts", "typescript"),
            ("a.cts", "typescript"),
            ("a.tsx", "tsx"),
        ] {
            assert_eq!(
                name(source_type(filename, Language::Auto, Kind::Auto)),
                expected,
                "{filename}"
            );
        }
        assert_eq!(
            name(source_type("a.ts", Language::Javascript, Kind::Auto)),
            "javascript"
        );
    }

    #[test]
    fn the_kind_follows_the_extension_unless_it_is_given() {
        assert!(source_type("a.mts", Language::Auto, Kind::Auto).is_module());
        assert!(source_type("a.cjs", Language::Auto, Kind::Auto).is_commonjs());
        assert!(source_type("a.mjs", Language::Auto, Kind::Script).is_script());
        assert!(source_type("a.js", Language::Auto, Kind::Auto).is_unambiguous());
    }
}
