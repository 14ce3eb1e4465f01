"""The `wasmfleet` command: a file for each subcommand, and what several of them share.

It runs in a process that a person or a supervisor started. Nothing imports it, and it decides nothing about calls: it
asks the rooms below.
"""
