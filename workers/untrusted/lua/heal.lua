-- Deletes a key that is not of its type, or holds no number where it should.
-- KEYS: key
-- ARGV: type, or number
-- Returns 1 where it was deleted.
local kind, wanted = redis.call('TYPE', KEYS[1]).ok, ARGV[1]
local right = kind == wanted or kind == 'none'
if wanted == 'number' and kind == 'string' then
  right = redis.call('STRLEN', KEYS[1]) < 19 and redis.call('GET', KEYS[1]):match('^%-?%d+$') ~= nil
end
return right and 0 or redis.call('DEL', KEYS[1])
