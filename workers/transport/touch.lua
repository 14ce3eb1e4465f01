-- Renews held messages in `unacked_index`, so that plain Celery workers, which go by its times, do not take them for
-- abandoned.
-- KEYS: unacked_index
-- ARGV: tag...
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for i = 1, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now, ARGV[i]) end
