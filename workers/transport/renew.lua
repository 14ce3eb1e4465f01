-- Renews a holder, and drops what is too long to be one's name.
-- KEYS: holders, holder's leases
-- ARGV: holder, most holders that are told
-- Returns {number of its leases, holder, score, ...} of the holders that were renewed longest ago.
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
