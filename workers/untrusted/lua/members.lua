-- Reads members of a sorted set, highest score first, without those that are too large.
-- KEYS: sorted set
-- ARGV: first rank, last rank, most bytes of a member
-- Returns {number of members between the ranks, member, ...}, or false for a key of another type.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'zset' and kind ~= 'none' then return false end
local found = redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2])
local out = {#found}
for _, member in ipairs(found) do
  if #member <= tonumber(ARGV[3]) then out[#out + 1] = member end
end
return out
