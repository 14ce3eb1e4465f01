-- Functions that read the head of a message. `store.source` puts them before the scripts that need them.
-- No message is this large without its body. A table made of a larger one would take many times its bytes.
local MOST_HEAD = 262144

-- A message without its body, which may be megabytes of base64.
local function bodiless(message)
  local body = message:match('^{%s*"body"%s*:%s*"()')
  local close = body and message:find('"', body, true)
  local escape = close and message:find('\\', body, true)
  if close and (not escape or escape > close) then
    return '{"body": ""' .. message:sub(close + 1)
  end
  return message
end

-- What `bodiless` left of a message, decoded; an empty table where it cannot be decoded.
local function decoded(bare)
  if #bare > MOST_HEAD then return {} end
  local ok, found = pcall(cjson.decode, bare)
  return ok and type(found) == 'table' and found or {}
end

-- A message decoded without its body.
local function head(message)
  return decoded(bodiless(message))
end

local function text(value)
  return type(value) == 'string' and value or ''
end

local function part(found, name)
  return type(found[name]) == 'table' and found[name] or {}
end

-- Whether a message calls a task whose name begins so. Most are sorted out without being decoded.
local function calls(message, prefix)
  local bare = bodiless(message)
  return bare:find('"' .. prefix, 1, true) ~= nil
    and text(part(decoded(bare), 'headers').task):sub(1, #prefix) == prefix
end

-- The next message that a list would give, `place` places behind the first; false where there is none, or no list.
local function waiting(list, place)
  local found = redis.pcall('LINDEX', list, -1 - place)
  return type(found) == 'string' and found
end

