"""The processes of one machine: the embedded broker, the supervisor, Flower, and the files that they alone may read.

It runs wherever a process starts or looks for another one. Nothing here knows of calls, messages or results.
"""
