-- Appends messages to the log, and keeps the tables of keyed topics and the retry keys.
--
-- KEYS: the log, the names of the keyed topics.
-- ARGV: the epoch, how many entries the log keeps, the start of the keys of tables, the start of
-- the keys of retry keys, for how many milliseconds a retry key is known; then for each message its
-- topic, its payload, the change of a key ('', 's' or 'r'), the key, and the retry key or ''.
-- Returns a text for each message: the ID of its entry, 'stale' if another epoch has begun, or an
-- error after '!'.
local log, keyed = KEYS[1], KEYS[2]
local epoch, max_entries, tables, retries, window = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local results = {}

-- Redis numbers the entries of the epoch, and refuses an epoch that is older than the newest.
local function append(...)
  local id = redis.pcall('XADD', log, 'NOMKSTREAM', 'MAXLEN', '~', max_entries, epoch .. '-*', ...)
  if not id then return nil, 'stale' end
  if type(id) == 'string' then return id end
  if string.find(id.err, 'equal or smaller', 1, true) then return nil, 'stale' end
  return nil, '!' .. id.err
end

for index = 6, #ARGV, 5 do
  local topic, payload, change = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  local key, retry_key = ARGV[index + 3], retries .. ARGV[index + 4]
  local has_retry_key = ARGV[index + 4] ~= ''
  local id, failure
  local earlier = has_retry_key and redis.call('GET', retry_key)
  if earlier then
    -- Written again, so that WAIT counts the machines that have the earlier message.
    redis.pcall('SET', retry_key, earlier, 'KEEPTTL')
    id = earlier
  elseif change == '' then
    id, failure = append('t', topic, 'p', payload, 'a', now)
  elseif change == 's' then
    id, failure = append('t', topic, 'p', payload, 'a', now, 's', key)
    if id then
      redis.call('HSET', tables .. topic, key, id .. ' ' .. payload)
      redis.call('SADD', keyed, topic)
    end
  else
    id, failure = append('t', topic, 'p', payload, 'a', now, 'r', key)
    if id then
      redis.call('HDEL', tables .. topic, key)
      if redis.call('EXISTS', tables .. topic) == 0 then redis.call('SREM', keyed, topic) end
    end
  end
  if failure and string.find(failure, '!READONLY', 1, true) == 1 then
    -- The server is a replica now, so it has appended none of the messages.
    return redis.error_reply(string.sub(failure, 2))
  end
  if id and has_retry_key and not earlier then
    redis.call('SET', retry_key, id, 'PX', window)
  end
  results[#results + 1] = id or failure
end
return results
