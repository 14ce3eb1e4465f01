"""The catalogue: a file for each family, a function for each operation, whose body is its plain-Python twin.

Callers import it; children run the twins. Nothing here knows the sandbox, the broker or the log.
"""
