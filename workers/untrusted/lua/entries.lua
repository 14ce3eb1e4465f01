-- Reads a page of a hash, without the entries that are too large.
-- KEYS: hash
-- ARGV: cursor, how many, most bytes of a field and its value together
-- Returns {next cursor, number of entries left out, field, value, ...}, or false for a key of another type.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then return false end
local page, most = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]), tonumber(ARGV[3])
local out, large = {page[1], 0}, 0
for at = 1, #page[2], 2 do
  if #page[2][at] + #page[2][at + 1] > most then
    large = large + 1
  else
    out[#out + 1], out[#out + 2] = page[2][at], page[2][at + 1]
  end
end
out[2] = large
return out
