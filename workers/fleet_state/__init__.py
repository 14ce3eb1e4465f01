"""What the processes of a fleet share through Redis: heartbeats, deaths, the quarantine, cancelled calls.

Workers write it, every process may read it. What is read is taken as if a stranger had written it, and nothing here
decides what becomes of a call.
"""
