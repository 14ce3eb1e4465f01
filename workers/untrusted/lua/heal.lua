-- Deletes a key that does not hold what belongs there.
-- KEYS: key
-- ARGV: the Redis type that belongs there, or `number`
-- Returns 1 where the key was deleted, else 0.
local kind, wanted = redis.call('TYPE', KEYS[1]).ok, ARGV[1]
local right = kind == wanted or kind == 'none'
if wanted == 'number' and kind == 'string' then
  right = redis.call('STRLEN', KEYS[1]) < 19 and redis.call('GET', KEYS[1]):match('^%-?%d+$') ~= nil
end
return right and 0 or redis.call('DEL', KEYS[1])
