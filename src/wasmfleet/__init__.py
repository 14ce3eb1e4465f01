"""WebAssembly functions as Celery tasks, under memory, time and stack limits.

The folders `tasks`, `workers`, `config` and `wasm_bin` stand at the top of the checkout and are
linked here, so that they install as `wasmfleet.tasks` and so on.
"""
