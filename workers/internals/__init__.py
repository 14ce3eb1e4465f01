"""Private and undocumented parts of other projects that Wasmfleet depends on, listed in one file for each project.

The code runs in every process. Only this room touches private names of Celery, kombu, billiard and redis-py; the other
rooms call the plain names that it defines. It does not know what a message means, and imports no other room.
"""
