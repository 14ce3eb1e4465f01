-- Reads some fields of a hash, of a value that is too large only its size.
-- KEYS: hash
-- ARGV: most bytes of a value, field, ...
-- Returns for each field its value, false where it is missing, or its size as a number where that is over the limit.
-- Returns false for a key of another type.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then return false end
local out = {}
for at = 2, #ARGV do
  local size = redis.call('HSTRLEN', KEYS[1], ARGV[at])
  out[#out + 1] = size > tonumber(ARGV[1]) and size or redis.call('HGET', KEYS[1], ARGV[at])
end
return out
