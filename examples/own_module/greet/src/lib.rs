//! One typed operation: `wasmfleet.greet.hello(name: str, times: int = 1) -> str`.

abi::module!(hello "(name: str, times: int = 1) -> str");
