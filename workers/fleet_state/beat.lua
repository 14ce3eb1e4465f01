-- Stores a worker's heartbeat, and answers what a worker asks at each beat
-- KEYS: the heartbeat, the mark of accelerated workers, the version of the cancelled calls
-- ARGV: heartbeat, seconds until it expires, "1" for an accelerated worker
-- Returns {whether an accelerated worker is seen, version of the cancelled calls}
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
if ARGV[3] == '1' then
  redis.call('SET', KEYS[2], '1', 'EX', ARGV[2])
end
local version = redis.pcall('GETRANGE', KEYS[3], 0, 20)
if type(version) ~= 'string' then
  version = ''  -- somebody stored another type there
end
return {redis.call('EXISTS', KEYS[2]), version}
