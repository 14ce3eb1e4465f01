//! JSON in which everything can be carried as text in UTF-8 and as numbers of 64 bits.

/// How oxc writes a number that is infinite.
const INFINITE: &str = "1e+400";
const ESCAPE_BYTES: usize = 6;

/// oxc's JSON with U+FFFD for each lone surrogate, which it escapes, and null for each infinite number.
pub fn carried(json: &str) -> String {
    let mut written = String::with_capacity(json.len());
    let (mut rest, mut is_text) = (json, false);
    while let Some(at) = rest.find(if is_text { &['"', '\\'][..] } else { &['"', '1'][..] }) {
        let (before, from) = rest.split_at(at);
        written.push_str(before);
        let (taken, put) = token(from, is_text);
        is_text ^= from.starts_with('"');
        written.push_str(put);
        rest = from.get(taken..).unwrap_or_default();
    }
    written.push_str(rest);
    written
}

/// How many bytes begin with a quote, an escape or a 1, and what is written for them.
fn token(from: &str, is_text: bool) -> (usize, &str) {
    if is_text && is_surrogate(from) {
        return (ESCAPE_BYTES, "\\ufffd");
    }
    if !is_text && from.starts_with(INFINITE) {
        return (INFINITE.len(), "null");
    }
    let size = if from.starts_with('\\') { 2 } else { 1 };
    (size, from.get(..size).unwrap_or_default())
}

fn is_surrogate(from: &str) -> bool {
    let digits = from.strip_prefix("\\u").and_then(|after| after.get(..4));
    let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    unit.is_some_and(|unit| (0xD800..0xE000).contains(&unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_carried_is_replaced_and_all_else_stays() {
        for (json, expected) in [
            (
                r#"{"a":"\ud800x\\ud800\"1e+400","b":1e+400}"#,
                r#"{"a":"\ufffdx\\ud800\"1e+400","b":null}"#,
            ),
            (r#"["😀\n",10,21,1.5e+40]"#, r#"["😀\n",10,21,1.5e+40]"#),
            ("", ""),
        ] {
            assert_eq!(carried(json), expected);
        }
    }
}
