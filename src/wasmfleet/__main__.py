"""`python -m wasmfleet` is the command `wasmfleet`."""

from wasmfleet.workers.cli.main import main

main()
