"""Every setting, once: `WASMFLEET_...` as one frozen object, and Celery's options with their reasons.

Every process reads it at its start. Nothing here imports anything else of the house.
"""
