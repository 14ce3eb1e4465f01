"""Longer bodies of plain-Python twins. Their third-party imports stay inside the functions that need them."""
