-- Queues a message and rings its queue's bell, unless the queue is full.
-- KEYS: list, bell, and where there is a limit, all lists of the queue
-- ARGV: message, most messages that may wait in those lists (0: any number), seconds after which the bell expires
-- Returns the list's length, or -1 where the queue was full
local limit, waiting = tonumber(ARGV[2]), 0
for at = 3, #KEYS do waiting = waiting + redis.call('LLEN', KEYS[at]) end
if limit > 0 and waiting >= limit then return -1 end
local length = redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], 0, '')
redis.call('EXPIRE', KEYS[2], ARGV[3])
return length
