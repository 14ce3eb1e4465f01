"""Where outcomes go: the SQLite log of a node, and the results that Celery stores.

Children and main processes write, callers and commands read. The row of an outcome is in the log before its result is
stored, and both are written through this room only.
"""
