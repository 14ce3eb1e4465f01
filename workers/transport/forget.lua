-- Removes a holder that holds nothing, or one that was found dead. What a dead one still holds could not be handed on
-- because nobody can read it, and is removed with it.
-- KEYS: holders, leases of the holder, the lookouts of queues that it may be...
-- ARGV: holder, its score when it was found dead ('' for one that ends by itself)
-- Returns 1 where it was removed
for at = 3, #KEYS do
  if redis.pcall('GET', KEYS[at]) == ARGV[1] then redis.call('DEL', KEYS[at]) end
end
if ARGV[2] ~= '' then
  if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
  redis.call('DEL', KEYS[2])
elseif redis.call('HLEN', KEYS[2]) > 0 then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
