-- Renews a holder.
-- KEYS: holders, holder's leases
-- ARGV: holder
-- Returns {number of its leases, holder, score, holder, score, ...} of every holder.
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] + time[2] / 1000000, ARGV[1])
local out = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
table.insert(out, 1, redis.call('HLEN', KEYS[2]))
return out
