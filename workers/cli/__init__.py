"""The command line `wasmfleet`: one file a command."""
