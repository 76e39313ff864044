-- Before every script of this folder. KEYS[1]: the state of a remote server, shared by all workers.
--
-- {aegis}:endpoint:NAME  hash:
--   requests, tokens         allowed a minute; absent: no limit
--   all:requests, all:tokens        the bucket of every call; in debt after a large one
--   urgent:requests, urgent:tokens  the bucket of only urgent calls
--   filled                   when the buckets were last filled up
--   paused                   until when no call may go
--   refused                  when the rate was last lowered
--   failures                 failed calls in a row
--   opened                   until when calls fail at once
--   probe                    until when one call tries whether the server is back
--   flow:requests, flow:tokens       the recent flow, averaged with a time constant of ``memory``

local key = KEYS[1]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local kinds = { 'requests', 'tokens' }
local least = { requests = 60, tokens = 20000 } -- a minute, however often the server refuses
local burst_seconds = 6
local memory = 15 -- seconds
local forget_seconds = 600 -- after the last refusal
local longest_pause, longest_open = 300, 60

local function number(field)
  return tonumber(redis.call('HGET', key, field) or 0)
end

local function set(field, value)
  redis.call('HSET', key, field, string.format('%.6f', value))
end

-- Seconds until the time in ``field``; a time that lies further ahead than ``longest`` is from
-- before the clock was set back.
local function left(field, longest)
  local seconds = number(field) - now
  return seconds <= longest and math.max(0, seconds) or 0
end

local function capacity(rate)
  return math.max(1, rate / 60 * burst_seconds)
end

-- The recent flow a minute.
local function flow(kind)
  return number('flow:' .. kind) / memory * 60
end

-- Update everything to now. A limit is dropped some time after the last refusal.
local function catch_up()
  if number('refused') > 0 and math.abs(now - number('refused')) > forget_seconds then
    redis.call('HDEL', key, 'requests', 'tokens', 'refused')
  end
  local seconds = math.min(60, math.max(0, now - number('filled')))
  for _, kind in ipairs(kinds) do
    local rate = number(kind)
    set('flow:' .. kind, number('flow:' .. kind) * math.exp(-seconds / memory))
    for _, bucket in ipairs({ 'all:', 'urgent:' }) do
      if rate > 0 then
        set(bucket .. kind, math.min(capacity(rate), number(bucket .. kind) + seconds * rate / 60))
      end
    end
  end
  set('filled', now)
end

local function is_back()
  redis.call('HDEL', key, 'failures', 'opened', 'probe')
end

local function keep()
  redis.call('EXPIRE', key, 3600)
end
