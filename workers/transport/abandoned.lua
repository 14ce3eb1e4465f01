-- Finds messages that a plain Celery worker took and has not acknowledged for a long time.
-- KEYS: unacked_index
-- ARGV: seconds
-- Returns {tag, score, ...} of at most 100
local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time[1] - ARGV[1], 'WITHSCORES', 'LIMIT', 0, 100)
