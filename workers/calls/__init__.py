"""What a caller holds: register operations, publish one call or many, wait for their results.

It runs in the coordinator's process, and in a worker's child for calls that follow a call. Nothing here reads a
message, and nothing names a family: the catalogue is in `tasks/`.
"""
