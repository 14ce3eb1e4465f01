-- Drops acknowledged messages, and takes waiting ones, each booked in `unacked` under its holder's name.
-- KEYS: unacked, unacked_index, holders, leases of the holder, n lists (of all queues for the most urgent priority, then
--   for the next), the bells of those n lists, the hash of messages that ended workers
-- ARGV: n, most messages to take, bytes that all may have together, that the first may have, that any may have,
--   '1' where the holder works on nothing, holder, id of the fetch, a flag for each list ('1': its messages are not
--   booked), turns (places of queues), deaths of workers that held a message after which it is taken alone, after which
--   a stub is taken in its place, acknowledged tag...
-- Returns {turns taken, list number, tag, message, list number, ...}; the tag of a message that is not booked is empty
-- A message that is too large, or that ended each worker that held it, is replaced by a stub that says so.
local FIRST_LIST, FIRST_TAG = 5, 13
local lists, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local room, room_of_first, most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local idle, holder, fetch, unbooked = ARGV[6] == '1', ARGV[7], ARGV[8], ARGV[9]
-- A suspect message is taken alone, so that further deaths are known to be its doing.
local SUSPECT_FROM, MOST_DEATHS = tonumber(ARGV[11]), tonumber(ARGV[12])

for at = FIRST_TAG, #ARGV do
  -- Without a lease, the message was handed on meanwhile and is another holder's. Where two messages have one tag, it
  -- may even be another message.
  if redis.call('HDEL', KEYS[4], ARGV[at]) == 1 then
    redis.call('HDEL', KEYS[1], ARGV[at])
    redis.call('ZREM', KEYS[2], ARGV[at])
  end
end

-- A key of a wrong type has to raise its error here, before anything is taken.
redis.call('HLEN', KEYS[1])
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[3])
redis.call('HLEN', KEYS[4])

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

-- How many workers ended while they may have been working on this message.
local function deaths(found)
  return tonumber(part(found, 'headers').wasmfleet_lost) or 0
end

-- Whether a message may hold arguments of crypto.*: such a task, that name in the body (plain, or in base64 at each of
-- its three offsets), or a body that is compressed.
local function may_be_secret(found, message)
  local headers = part(found, 'headers')
  if headers.compression ~= nil or text(headers.task):find('crypto.', 1, true) then return true end
  for _, name in ipairs({'crypto.', 'Y3J5cHRvL', 'NyeXB0by', 'jcnlwdG8u'}) do
    if message:find(name, 1, true) then return true end
  end
  return false
end

-- The stub of a message that no worker is to have, decoded and as JSON.
local function stub(found, message, why)
  local headers, properties = part(found, 'headers'), part(found, 'properties')
  local info = part(properties, 'delivery_info')
  local tag = text(properties.delivery_tag):match('^[!-~]+$') or 'stub-' .. redis.sha1hex(message)
  local made = {
    headers = {
      task = text(headers.task):sub(1, 200), id = text(headers.id):sub(1, 1000),
      wasmfleet_refused = why, wasmfleet_bytes = #message,
    },
    properties = {
      delivery_tag = tag:sub(1, 255),
      delivery_info = {exchange = text(info.exchange), routing_key = text(info.routing_key)},
    },
  }
  return made, '{"body": "", ' .. cjson.encode(made):sub(2)
end

-- The tag, exchange and routing key of a message, and the text to book. A message without a usable tag gets one, and is
-- booked as a JSON string.
local function describe(found, message)
  local properties = part(found, 'properties')
  local tag = text(properties.delivery_tag)
  if #tag > 255 or not tag:match('^[!-~]+$') then
    return 'malformed-' .. redis.sha1hex(message), '', '', cjson.encode(message)
  end
  local info = part(properties, 'delivery_info')
  return tag, text(info.exchange), text(info.routing_key), message
end

-- Books a taken message for the holder. Gives the tag under which it is held.
local function book(list, found, message, place)
  local tag, exchange, key, stored = describe(found, message)
  while redis.call('HEXISTS', KEYS[1], tag) == 1 do
    tag = tag .. '+' -- a message that was sent to several queues has the same tag in each
  end
  local entry = '[' .. stored .. ', ' .. cjson.encode(exchange) .. ', ' .. cjson.encode(key) .. ']'
  redis.call('HSET', KEYS[1], tag, entry)
  redis.call('ZADD', KEYS[2], now, tag)
  redis.call('HSET', KEYS[4], tag, fetch .. ' ' .. place .. ' ' .. list)
  return tag
end

local out, taken, full = {0}, 0, false

-- Takes the next message of a list. Gives whether there was one that fits; sets `full` where nothing more is to be taken.
local function take(number)
  local list = KEYS[FIRST_LIST + number]
  local message = redis.call('RPOP', list)
  if not message then return false end
  local found, size = head(message), #message
  local lost = deaths(found)
  local suspect = lost >= SUSPECT_FROM and lost < MOST_DEATHS -- after more deaths a stub is taken in its place
  local crowded = suspect and (taken > 0 or not idle)
  local may = taken == 0 and room_of_first or room
  if size <= most and (size > may or crowded) then
    redis.call('RPUSH', list, message)
    full = true
    return false
  end
  local whole = nil
  if size > most then
    found, message = stub(found, message, 'too large')
  elseif lost >= MOST_DEATHS then
    whole = not may_be_secret(found, message) and message
    found, message = stub(found, message, whole and 'deadly' or 'deadly, not kept')
  elseif suspect then
    full = true -- nothing is taken beside it
  end
  local tag = ''
  if unbooked:sub(number + 1, number + 1) == '0' then tag = book(list, found, message, taken) end
  if whole and tag ~= '' then redis.call('HSET', KEYS[FIRST_LIST + 2 * lists], tag, whole) end
  taken, room = taken + 1, room - #message
  out[#out + 1], out[#out + 2], out[#out + 3] = number, tag, message
  return true
end

local turns = {}
for number in ARGV[10]:gmatch('%d+') do turns[#turns + 1] = tonumber(number) end
local queues = 0
for _, number in ipairs(turns) do queues = math.max(queues, number + 1) end

for priority = 0, lists - 1, math.max(queues, 1) do
  local dry, at = 0, 0
  while taken < limit and not full and dry < #turns do
    at = at % #turns + 1
    dry = take(priority + turns[at]) and 0 or dry + 1
  end
  if at > 0 then out[1] = at end
end

if taken > 0 then redis.call('ZADD', KEYS[3], 'NX', now, holder) end
if taken == limit or full then
  for number = 0, lists - 1 do -- more is waiting: wake the next idle consumer
    if limit > 0 and redis.call('EXISTS', KEYS[FIRST_LIST + number]) == 1 then
      redis.call('ZADD', KEYS[FIRST_LIST + lists + number], 0, '')
    end
  end
end
return out
