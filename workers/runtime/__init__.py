"""The sandbox: read, compile and load WebAssembly modules, and run guests under limits.

It runs in children, in callers' own processes and in compilers. Only this room imports wasmtime, and only
`instance.py` touches raw memory. Whatever a module or a guest says is taken as hostile.
"""
