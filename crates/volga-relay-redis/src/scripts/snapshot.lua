-- The table of a keyed topic, and the last ID of the log at the same moment.
-- KEYS: the log, the table.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local last
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for index = 1, #info, 2 do
  if info[index] == 'last-generated-id' then last = info[index + 1] end
end
return { last, redis.call('HGETALL', KEYS[2]) }
