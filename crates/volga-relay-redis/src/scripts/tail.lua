-- The last ID of the log, even if its entry was trimmed. Nil if there is no log.
-- KEYS: the log.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for index = 1, #info, 2 do
  if info[index] == 'last-generated-id' then return info[index + 1] end
end
return false
