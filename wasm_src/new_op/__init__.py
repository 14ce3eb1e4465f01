"""Write the files of a new operation for its author to fill in: `make new-op FAMILY=text NAME=count_lines`.

The generated files build as they are. Their tests fail until the author has replaced everything marked UNFINISHED.
"""
