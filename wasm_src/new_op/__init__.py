"""Lays out a new operation: `make new-op FAMILY=text NAME=count_lines`.

Everything that is generated builds at once, and fails in every test until its author has replaced what says UNFINISHED.
"""
