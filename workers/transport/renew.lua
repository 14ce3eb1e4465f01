-- Renews a holder's leases.
-- KEYS: unacked_index, holders
-- ARGV: holder, held tag...
-- Returns {holder, score, ...} of every holder.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZADD', KEYS[2], now, ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now, ARGV[i]) end
return redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
