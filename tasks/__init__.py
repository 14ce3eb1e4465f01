"""The catalogue: one file a family, each operation a function whose body is its plain-Python twin."""
