"""What Wasmfleet leans on in other projects without their promise, listed in one file for each project.

It runs in every process. A private name of Celery, kombu, billiard or redis-py is touched in this room only; the other
rooms call plain names that are defined here. Nothing here knows a message's meaning or another room.
"""
