"""`make delivery`: our transport compared with Celery's own and with Dramatiq, on real brokers, in one run."""
