-- Members of a sorted set, highest score first.
-- KEYS: sorted set
-- ARGV: first, last, most bytes
-- Returns {how many there are between, member of no more bytes, ...}, or false for a key of another type.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'zset' and kind ~= 'none' then return false end
local found = redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2])
local out = {#found}
for _, member in ipairs(found) do
  if #member <= tonumber(ARGV[3]) then out[#out + 1] = member end
end
return out
