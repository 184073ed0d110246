-- Enters the current life of the engine, and begins a new one if this is needed. Every connection
-- that appends or reads runs this first.
--
-- KEYS: the log, the run ID of the server that began the epoch, the epochs.
-- ARGV: the epoch and the number of the last position that the caller knows.
-- Returns the epoch, the last ID of the log, the time in milliseconds, and the epochs.
--
-- A server has another run ID after each start, and a replica that is promoted has its own. So
-- another run ID says that the log may have lost its last entries. The same is true if the caller
-- knows a later position than the log has.
local log, run_key, epochs = KEYS[1], KEYS[2], KEYS[3]
local known_epoch, known_number = tonumber(ARGV[1]), tonumber(ARGV[2])
local MAX_EPOCHS = 64

local function parse(id)
  local epoch, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(number)
end

local function last_id()
  if redis.call('EXISTS', log) == 0 then return nil end
  local info = redis.call('XINFO', 'STREAM', log)
  for index = 1, #info, 2 do
    if info[index] == 'last-generated-id' then return info[index + 1] end
  end
end

local server = redis.call('INFO', 'server')
local version = string.match(server, 'redis_version:(%d+)')
if version and tonumber(version) < 7 then
  return redis.error_reply('ERR Redis 7 or later is needed, and this is Redis ' .. version)
end
local run = string.match(server, 'run_id:(%w+)')
if not run then return redis.error_reply('ERR INFO has no run_id') end
-- After a planned failover, the old primary is a replica with an epoch that it began itself.
if string.match(redis.call('INFO', 'replication'), 'role:(%w+)') ~= 'master' then
  return redis.error_reply('READONLY this server is a replica')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local last = last_id()
local last_epoch, last_number = 0, 0
if last then last_epoch, last_number = parse(last) end
local newest = redis.call('LINDEX', epochs, -1)
local newest_epoch = newest and tonumber(string.match(newest, '^%d+')) or 0

local is_behind = last_epoch < known_epoch
  or (last_epoch == known_epoch and last_number < known_number)
local is_current = last and redis.call('GET', run_key) == run
  and newest_epoch == last_epoch and not is_behind

local epoch = last_epoch
if not is_current then
  local ended_at = ''
  if last and newest_epoch == last_epoch then
    ended_at = last
  elseif last and newest then
    -- Another program has added entries with IDs of its own.
    local first = string.format('%.0f-0', newest_epoch)
    local own = redis.call('XREVRANGE', log, string.format('%.0f', newest_epoch), first, 'COUNT', 1)
    if own[1] then ended_at = own[1][1] end
  end
  if not last then redis.call('DEL', epochs) end
  epoch = math.max(now, last_epoch + 1, newest_epoch + 1, known_epoch + 1)
  local text = string.format('%.0f', epoch)
  last = text .. '-0'
  redis.call('SET', run_key, run)
  redis.call('XADD', log, last, 'e', ended_at)
  redis.call('RPUSH', epochs, text .. ' ' .. ended_at)
  redis.call('LTRIM', epochs, -MAX_EPOCHS, -1)
end
return {
  string.format('%.0f', epoch), last, string.format('%.0f', now),
  redis.call('LRANGE', epochs, 0, -1),
}
