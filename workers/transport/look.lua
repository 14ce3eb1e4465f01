-- Looks for messages whose publishers rang no bell: rings it in their place. Of a queue that is shared with other
-- programs, moves the calls that are ours into a queue of ours, and leaves every other message where it is, in order.
-- On a connection with CLIENT TRACKING, the broker tells when one of the lists that were read here changes.
-- KEYS: n lists (of all queues for the most urgent priority, then for the next), the bells of those n lists, s lists of
--   the shared queue, the s lists that its calls go to, and where s is not 0 the bell of those
-- ARGV: n, s, what the name of a task of ours begins with, most messages that the s lists they go to may hold (0: any
--   number), seconds after which a bell expires
-- Returns {calls moved, bells that were silent and ring now}
local lists, shared = tonumber(ARGV[1]), tonumber(ARGV[2])
local prefix, limit, expiry = ARGV[3], tonumber(ARGV[4]), ARGV[5]
-- Only so many messages at the head of the shared queue are looked at, or as few as have these bytes: the broker serves
-- nobody meanwhile.
local MOST_OTHERS, MOST_MOVED, MOST_BYTES = 100, 1000, 4194304

-- Rings a bell. Gives 1 where it was silent: one that rings already is not written again, nor to the server's disk.
local function ring(bell)
  if redis.pcall('ZADD', bell, 0, '') ~= 1 then return 0 end
  redis.call('EXPIRE', bell, expiry)
  return 1
end

local room = limit > 0 and limit or math.huge
for at = 2 * lists + shared + 1, 2 * lists + 2 * shared do
  local length = redis.pcall('LLEN', KEYS[at])
  room = type(length) == 'number' and room - length or -math.huge -- nothing can be moved to a key of another type
end

local moved = 0
local function move(from, to)
  local others, bytes = 0, 0
  while others < MOST_OTHERS and moved < math.min(MOST_MOVED, room) and bytes < MOST_BYTES do
    local message = waiting(from, others)
    if not message then return end
    bytes = bytes + #message
    if calls(message, prefix) then
      redis.call('LPUSH', to, message)
      redis.call('LREM', from, -1, message)
      moved = moved + 1
    else
      others = others + 1
    end
  end
end

for at = 2 * lists + 1, 2 * lists + shared do move(KEYS[at], KEYS[at + shared]) end
if moved > 0 then ring(KEYS[#KEYS]) end

local rung = 0
for at = 1, lists do
  if redis.call('EXISTS', KEYS[at]) == 1 then rung = rung + ring(KEYS[lists + at]) end
end
for at = 2 * lists + 1, 2 * lists + shared do redis.call('EXISTS', KEYS[at]) end -- read last, so that it is tracked
return {moved, rung}
