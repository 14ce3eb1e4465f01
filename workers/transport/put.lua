-- Queues a message and rings the bell, unless the queue is full.
-- KEYS: list, bell, all lists of the queue where their length counts
-- ARGV: message, most messages that may wait (0: any number), seconds that a bell nobody waits for is kept
-- Returns the list's length, or -1 where the queue was full.
local limit, waiting = tonumber(ARGV[2]), 0
for at = 3, #KEYS do waiting = waiting + redis.call('LLEN', KEYS[at]) end
if limit > 0 and waiting >= limit then return -1 end
local length = redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 0, '')
redis.call('EXPIRE', KEYS[2], ARGV[3])
return length
