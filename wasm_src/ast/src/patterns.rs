//! The syntax of regular expressions that is newer than es2015. oxc's transformer lowers none of it: at most, it makes a
//! call of `RegExp` of a literal, which an older engine then refuses when it runs.

use std::collections::BTreeSet;

use oxc_ast::ast::{RegExpFlags, RegExpLiteral};
use oxc_ast_visit::Visit;
use oxc_regular_expression::ast::{
    CapturingGroup, IgnoreGroup, LookAroundAssertion, LookAroundAssertionKind, UnicodePropertyEscape,
};
use oxc_regular_expression::visit as pattern;

use crate::newer::Feature;

const FLAGS: [(RegExpFlags, Feature); 3] = [
    (RegExpFlags::S, (2018, "the flag s of a regular expression")),
    (RegExpFlags::D, (2022, "the flag d of a regular expression")),
    (RegExpFlags::V, (2024, "the flag v of a regular expression")),
];

/// Collects the syntax of the regular expressions in a tree.
#[derive(Default)]
pub struct Literals {
    pub found: BTreeSet<Feature>,
}

impl<'a> Visit<'a> for Literals {
    fn visit_reg_exp_literal(&mut self, it: &RegExpLiteral<'a>) {
        let flags = FLAGS.iter().filter(|(flag, _)| it.regex.flags.contains(*flag));
        self.found.extend(flags.map(|(_, feature)| *feature));
        if let Some(parsed) = &it.regex.pattern.pattern {
            let mut one = One {
                found: &mut self.found,
                names: BTreeSet::new(),
            };
            pattern::Visit::visit_pattern(&mut one, parsed);
        }
    }
}

/// One regular expression, with the names of its groups so far.
struct One<'f> {
    found: &'f mut BTreeSet<Feature>,
    names: BTreeSet<String>,
}

impl<'a> pattern::Visit<'a> for One<'_> {
    fn visit_lookaround_assertion(&mut self, it: &LookAroundAssertion<'a>) {
        if matches!(
            it.kind,
            LookAroundAssertionKind::Lookbehind | LookAroundAssertionKind::NegativeLookbehind
        ) {
            self.found.insert((2018, "look-behind in a regular expression"));
        }
        pattern::walk::walk_lookaround_assertion(self, it);
    }

    fn visit_capturing_group(&mut self, it: &CapturingGroup<'a>) {
        if let Some(name) = &it.name {
            self.found.insert((2018, "named groups in a regular expression"));
            if !self.names.insert(name.to_string()) {
                self.found
                    .insert((2025, "two groups of one name in a regular expression"));
            }
        }
        pattern::walk::walk_capturing_group(self, it);
    }

    fn visit_ignore_group(&mut self, it: &IgnoreGroup<'a>) {
        if it.modifiers.is_some() {
            self.found.insert((2025, "modifiers in a regular expression"));
        }
        pattern::walk::walk_ignore_group(self, it);
    }

    fn visit_unicode_property_escape(&mut self, _it: &UnicodePropertyEscape<'a>) {
        self.found.insert((2018, "Unicode properties in a regular expression"));
    }
}
