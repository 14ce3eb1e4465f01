-- Drops acknowledged messages and takes waiting ones, each booked in `unacked` under its holder's name.
-- KEYS: unacked, unacked_index, holders, holder's leases, n lists by priority, n bells
-- ARGV: n, limit, bytes, holder, fetch id, flags ('1': no acknowledgement, one a list), turns, acknowledged tag...
-- Returns {turns taken, list number, tag, message, list number, ...}
local FIRST_LIST, FIRST_TAG = 5, 8
local lists, limit, room = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local holder, fetch, unbooked = ARGV[4], ARGV[5], ARGV[6]

for at = FIRST_TAG, #ARGV do
  -- What was handed on meanwhile is another's: another message even, where two have one tag.
  if redis.call('HDEL', KEYS[4], ARGV[at]) == 1 then
    redis.call('HDEL', KEYS[1], ARGV[at])
    redis.call('ZREM', KEYS[2], ARGV[at])
  end
end

-- A key of a wrong type must fail here, before anything is taken.
redis.call('HLEN', KEYS[1])
redis.call('ZCARD', KEYS[2])
redis.call('ZCARD', KEYS[3])
redis.call('HLEN', KEYS[4])

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000

-- The message without its body, which may be megabytes of base64 that need no parsing.
local function head(message)
  local body = message:match('^{%s*"body"%s*:%s*"()')
  local close = body and message:find('"', body, true)
  local escape = close and message:find('\\', body, true)
  if close and (not escape or escape > close) then
    message = '{"body": ""' .. message:sub(close + 1)
  end
  local ok, decoded = pcall(cjson.decode, message)
  return ok and type(decoded) == 'table' and decoded or {}
end

local function text(value)
  return type(value) == 'string' and value or ''
end

-- The tag, exchange and routing key of a message; one without a plain tag gets one, and is booked as a JSON string.
local function describe(message)
  local properties = head(message).properties
  local tag = type(properties) == 'table' and text(properties.delivery_tag) or ''
  if #tag > 255 or not tag:match('^[!-~]+$') then
    return 'malformed-' .. redis.sha1hex(message), '', '', cjson.encode(message)
  end
  local info = type(properties.delivery_info) == 'table' and properties.delivery_info or {}
  return tag, text(info.exchange), text(info.routing_key), message
end

local function book(list, message, place)
  local tag, exchange, key, stored = describe(message)
  while redis.call('HEXISTS', KEYS[1], tag) == 1 do
    tag = tag .. '+' -- one message bound to several queues has one tag
  end
  local entry = '[' .. stored .. ', ' .. cjson.encode(exchange) .. ', ' .. cjson.encode(key) .. ']'
  redis.call('HSET', KEYS[1], tag, entry)
  redis.call('ZADD', KEYS[2], now, tag)
  redis.call('HSET', KEYS[4], tag, fetch .. ' ' .. place .. ' ' .. list)
  return tag
end

local out, taken, full = {0}, 0, false

local function take(number)
  local list = KEYS[FIRST_LIST + number]
  local message = redis.call('RPOP', list)
  if not message then return false end
  if taken > 0 and #message > room then
    redis.call('RPUSH', list, message)
    full = true
    return false
  end
  local tag = ''
  if unbooked:sub(number + 1, number + 1) == '0' then tag = book(list, message, taken) end
  taken, room = taken + 1, room - #message
  out[#out + 1], out[#out + 2], out[#out + 3] = number, tag, message
  return true
end

local turns = {}
for number in ARGV[7]:gmatch('%d+') do turns[#turns + 1] = tonumber(number) end
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
  for number = 0, lists - 1 do -- more is waiting: the next idle consumer shall know
    if limit > 0 and redis.call('EXISTS', KEYS[FIRST_LIST + number]) == 1 then
      redis.call('ZADD', KEYS[FIRST_LIST + lists + number], 0, '')
    end
  end
end
return out
