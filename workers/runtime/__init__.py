"""The sandbox: the only place that imports wasmtime."""
