//! The entries of an outline; `tasks/ast.py` says what each field means.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Import {
    pub source: String,
    pub names: Vec<String>,
    pub start: u32,
    pub end: u32,
    pub line: usize,
}

#[derive(Debug, Serialize)]
pub struct Export {
    pub name: String,
    pub start: u32,
    pub end: u32,
    pub line: usize,
}

#[derive(Debug, Serialize)]
pub struct Function {
    pub name: String,
    pub start: u32,
    pub end: u32,
    pub line: usize,
    pub end_line: usize,
    pub complexity: usize,
}

#[derive(Debug, Serialize)]
pub struct Class {
    pub name: String,
    pub start: u32,
    pub end: u32,
    pub line: usize,
    pub end_line: usize,
}
