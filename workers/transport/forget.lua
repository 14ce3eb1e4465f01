-- Removes a holder, unless it holds something.
-- KEYS: holders, holder's leases
-- ARGV: holder
if redis.call('HLEN', KEYS[2]) > 0 then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
