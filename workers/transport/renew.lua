-- Renews a holder, and removes holders whose names are too long to be one of ours.
-- KEYS: holders, leases of the holder
-- ARGV: holder, most holders to return
-- Returns {number of its leases, holder, score, ...}: the holders that were renewed longest ago come first
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] + time[2] / 1000000, ARGV[1])
local out = {redis.call('HLEN', KEYS[2])}
local found = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1, 'WITHSCORES')
for at = 1, #found, 2 do
  if #found[at] > 1000 then
    redis.call('ZREM', KEYS[1], found[at])
  else
    out[#out + 1], out[#out + 2] = found[at], found[at + 1]
  end
end
return out
