"""What an operation is: its signature as a wire contract, its parity, its twin, its module.

Pure data and pure functions, the same in every process. Nothing here reads, writes, publishes or runs anything.
"""
