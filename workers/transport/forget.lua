-- Removes a holder, unless it holds something; a dead one with what could not be handed on, as nobody can read it.
-- KEYS: holders, holder's leases
-- ARGV: holder, its score when it was found dead ('' for one that ends)
if ARGV[2] ~= '' then
  if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
  redis.call('DEL', KEYS[2])
elseif redis.call('HLEN', KEYS[2]) > 0 then
  return 0
end
return redis.call('ZREM', KEYS[1], ARGV[1])
