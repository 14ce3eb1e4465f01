"""One message to its outcomes: check the arguments, choose the lane, run the sandbox or the twin, write the rows.

It runs in a worker's child, in the child's own process for twins, and in a caller's process for calls made directly.
Nothing here publishes a new call; a message is sent on to another lane under its own id.
"""
