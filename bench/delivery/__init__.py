"""Delivery measured: our transport beside Celery's own and Dramatiq, on real brokers, in one run."""
