//! The module `ast`: JavaScript and TypeScript. `tasks/ast.py` is its specification.

#![forbid(unsafe_code)]

mod carried;
mod diagnostics;
mod found;
mod language;
mod lower;
mod positions;
mod print;
mod source;
mod survey;
mod table;
mod todos;
mod visitor;

abi::module!(optimize, outline, parse, transform, validate);
