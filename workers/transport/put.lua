-- Queues a message and rings the bell, unless the queue is full.
-- KEYS: list, bell
-- ARGV: message, most messages that may wait (0: any number)
-- Returns the list's length, or -1 where it was full.
local limit = tonumber(ARGV[2])
if limit > 0 and redis.call('LLEN', KEYS[1]) >= limit then return -1 end
local length = redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 0, '')
return length
