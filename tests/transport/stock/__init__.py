"""A Celery app of a stranger on our transport: the app, and its processes."""
