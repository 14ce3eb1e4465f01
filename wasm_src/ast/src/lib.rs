//! The module `ast`: JavaScript and TypeScript. `tasks/ast.py` is its specification.

#![forbid(unsafe_code)]

mod carried;
mod diagnostics;
mod faithful;
mod found;
mod language;
mod lower;
mod merged;
mod newer;
mod patterns;
mod positions;
mod print;
mod source;
mod survey;
mod table;
mod todos;
mod visitor;

abi::module!(optimize, outline, parse, transform, validate);
