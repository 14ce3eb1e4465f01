"""What is secret in a call: keys by their ids, sealed arguments and results, messages that may hold secrets.

It runs in callers, main processes and children. No key and no opened secret leaves a process, and none is logged.
"""
