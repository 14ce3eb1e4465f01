//! What makes a crate a module: its exports and its custom section.

/// Declares a module: one file an operation, named after it, with `Args` and `run`. A module that no
/// `tasks/` describes gives each operation's signature: `module!(greet "(name: str) -> str")`.
#[macro_export]
macro_rules! module {
    ($($operation:ident $($signature:literal)?),+ $(,)?) => {
        $(pub mod $operation;)+

        #[cfg(target_family = "wasm")]
        mod exports {
            const ITEMS: &[$crate::Item] =
                &[$(|arguments, reply| $crate::item(arguments, reply, super::$operation::run)),+];

            const TEXT: &str = concat!("abi 1\n", $(stringify!($operation), $crate::declared!($($signature)?), "\n"),+);

            #[unsafe(link_section = "wasmfleet.operations")]
            #[used]
            static OPERATIONS: [u8; TEXT.len()] = *$crate::section(TEXT);

            #[unsafe(no_mangle)]
            extern "C" fn reserve(size: usize) -> *mut u8 {
                $crate::memory::reserve(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn call(operation: u32, size: usize) -> u64 {
                $crate::memory::call(ITEMS, operation, size)
            }
        }
    };
}

/// What follows an operation's name in the custom section.
#[macro_export]
macro_rules! declared {
    () => {
        " msgpack"
    };
    ($signature:literal) => {
        $signature
    };
}

/// The text of the custom section as the array a static wants.
pub const fn section<const N: usize>(text: &str) -> &[u8; N] {
    match text.as_bytes().first_chunk() {
        Some(chunk) => chunk,
        None => panic!("the length is known at compile time"),
    }
}
