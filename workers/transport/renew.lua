-- Renews a holder, removes holders whose names are too long to be one of ours, and makes the holder the lookout of each
-- queue that has none, or has this one.
-- KEYS: holders, leases of the holder, the lookout of each queue that it consumes...
-- ARGV: holder, most holders to return, milliseconds for which it is a lookout without renewing that
-- Returns {number of its leases, one flag for each queue ('1': it is the lookout), holder, score, ...}: the holders that
-- were renewed longest ago come first
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] + time[2] / 1000000, ARGV[1])
local flags = {}
for at = 3, #KEYS do
  local other = redis.pcall('GET', KEYS[at])
  local is_free = type(other) ~= 'string' or other == ARGV[1]
  if is_free then redis.call('SET', KEYS[at], ARGV[1], 'PX', ARGV[3]) end
  flags[#flags + 1] = is_free and '1' or '0'
end
local out = {redis.call('HLEN', KEYS[2]), table.concat(flags)}
local found = redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1, 'WITHSCORES')
for at = 1, #found, 2 do
  if #found[at] > 1000 then
    redis.call('ZREM', KEYS[1], found[at])
  else
    out[#out + 1], out[#out + 2] = found[at], found[at + 1]
  end
end
return out
