-- Removes a holder that holds nothing, or one that was found dead. What a dead one still holds could not be handed on
-- because nobody can read it, and is removed with it.
-- KEYS: holders, leases of the holder
-- ARGV: holder, its score when it was found dead ('' for one that ends by itself)
-- Returns 1 where it was removed
if ARGV[2] ~= '' then
  if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
  redis.call('DEL', KEYS[2])
elseif redis.call('HLEN', KEYS[2]) > 0 then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
