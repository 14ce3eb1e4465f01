"""Plain-Python twins that need a library or more than a few lines.

An operation's body in `tasks/` imports its twin from here when it runs, not before: a client imports the operations
and has not got the libraries.
"""
