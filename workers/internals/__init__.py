"""What Wasmfleet leans on in other projects without their promise: one file a project, named after it.

Runs in every process. A private name of Celery, kombu, billiard or redis-py is used in its project's file and nowhere
else; the other rooms call plain names that are defined there. Nothing here knows another room.
"""
