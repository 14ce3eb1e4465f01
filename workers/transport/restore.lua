-- Puts a held message back into its list, unless it was acknowledged or put back meanwhile, or its holder was renewed.
-- KEYS: unacked, unacked_index, holders, leases of the holder, list, bell
-- ARGV: tag, message, command (RPUSH: first in line, LPUSH: last), holder, the holder's score as it was seen ('': any),
--   the lease as it was seen
-- Returns 1 where it was put back
if ARGV[5] ~= '' and redis.call('ZSCORE', KEYS[3], ARGV[4]) ~= ARGV[5] then return 0 end
if redis.call('HGET', KEYS[4], ARGV[1]) ~= ARGV[6] then return 0 end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call(ARGV[3], KEYS[5], ARGV[2])
redis.call('ZADD', KEYS[6], 0, '')
return 1
