-- Counts the messages at the head of a queue that call a task whose name begins with a prefix, and the others. Takes none.
-- KEYS: the lists of the queue, the most urgent first
-- ARGV: prefix, most messages to look at, bytes that they may have together
-- Returns {those that do, all that wait, the task's name of the first other one, its digest}
local prefix, most, room = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local seen, ours, all, name, digest = 0, 0, 0, '', ''
for _, list in ipairs(KEYS) do
  local length = redis.pcall('LLEN', list)
  all = all + (tonumber(length) or 0)
  local place = 0
  while seen < most and room > 0 do
    local message = waiting(list, place)
    if not message then break end
    seen, room, place = seen + 1, room - #message, place + 1
    if calls(message, prefix) then
      ours = ours + 1
    elseif digest == '' then
      name, digest = text(part(head(message), 'headers').task):sub(1, 200), redis.sha1hex(message)
    end
  end
end
return {ours, all, name, digest}
