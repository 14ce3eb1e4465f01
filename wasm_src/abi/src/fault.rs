//! Faults: why an item failed, and where in its input.

use serde::Serialize;

pub type Outcome<T> = Result<T, Fault>;

/// The code is the name of a class in `workers/errors.py`; the message says what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub code: &'static str,
    pub message: String,
    pub place: Option<Place>,
}

/// A place in text has a line and a column (from 1) and an offset in code points; one in bytes an offset only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    pub offset: usize,
}

impl Place {
    pub fn byte(offset: usize) -> Self {
        Self {
            line: None,
            column: None,
            offset,
        }
    }

    pub fn text(line: usize, column: usize, offset: usize) -> Self {
        Self {
            line: Some(line),
            column: Some(column),
            offset,
        }
    }
}

macro_rules! constructors {
    ($($function:ident => $code:literal),+ $(,)?) => {
        impl Fault {
            $(pub fn $function(message: impl Into<String>) -> Self {
                Self { code: $code, message: message.into(), place: None }
            })+
        }
    };
}

constructors! {
    invalid_arguments => "InvalidArguments",
    input_too_large => "InputTooLarge",
    input_too_deep => "InputTooDeep",
    invalid_source => "InvalidSource",
    corrupt_data => "CorruptData",
    output_too_large => "OutputTooLarge",
    authentication_failed => "AuthenticationFailed",
    not_supported_in_lane => "NotSupportedInLane",
}

impl Fault {
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }
}
