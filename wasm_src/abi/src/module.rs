//! The macro that makes a crate a module: its exports and its custom section.

/// Declares a module. Each operation is a file of its name with `Args` and `run`. A module without a file
/// in `tasks/` also gives each operation's signature: `module!(greet "(name: str) -> str")`.
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

/// The text that follows an operation's name in the custom section.
#[macro_export]
macro_rules! declared {
    () => {
        " msgpack"
    };
    ($signature:literal) => {
        $signature
    };
}

/// Copies the text of the custom section into an array, which a static needs.
pub const fn section<const N: usize>(text: &str) -> &[u8; N] {
    match text.as_bytes().first_chunk() {
        Some(chunk) => chunk,
        None => panic!("the length is known at compile time"),
    }
}
