-- Before every script of this file. KEYS[1]: the state of a remote server, shared by all workers.
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
-- == answered ==
-- ARGV: tokens that the call was admitted with, tokens that it took.
-- The server answers: raise the rates a little, by a quarter in a minute that uses them up.
is_back()
local used = { requests = 1, tokens = tonumber(ARGV[2]) }
for _, kind in ipairs(kinds) do
  local rate = number(kind)
  if rate > 0 then
    set(kind, rate + math.min(used[kind], rate) / 4)
  end
end
if number('tokens') > 0 then
  set('all:tokens', number('all:tokens') + ARGV[1] - ARGV[2])
end
keep()
return 1
-- == enter ==
-- ARGV: 'urgent' or 'bulk', tokens, failures that open the circuit, seconds a probe may take.
-- Returns {'go', the time}, {'wait', seconds} or {'open', seconds}.
local urgency, tokens = ARGV[1], tonumber(ARGV[2])
local most, probe_seconds = tonumber(ARGV[3]), tonumber(ARGV[4])

local function reply(verdict, seconds)
  return { verdict, string.format('%.6f', seconds) }
end

local failing = number('failures') >= most
if failing then
  local closed_for = math.max(left('opened', longest_open), left('probe', probe_seconds))
  if closed_for > 0 then
    return reply('open', closed_for)
  end
end

catch_up()
local bucket = urgency == 'urgent' and 'urgent:' or 'all:'
local wait = left('paused', longest_pause)
for _, kind in ipairs(kinds) do
  local rate, level = number(kind), number(bucket .. kind)
  if rate > 0 and level < 1 then
    wait = math.max(wait, (1 - level) * 60 / rate)
  end
end
keep()
if wait > 0 then
  return reply('wait', wait)
end

-- Bulk calls pay for urgent ones too, so urgent calls wait only for each other.
local cost = { requests = 1, tokens = tokens }
for _, kind in ipairs(kinds) do
  set('flow:' .. kind, number('flow:' .. kind) + cost[kind])
  if number(kind) > 0 then
    set('all:' .. kind, number('all:' .. kind) - cost[kind])
    if urgency == 'urgent' then
      set('urgent:' .. kind, number('urgent:' .. kind) - cost[kind])
    end
  end
end
if failing then
  set('probe', now + probe_seconds)
end
return reply('go', now)
-- == failed ==
-- ARGV: failures that open the circuit, seconds that it stays open at first.
-- Calls that were under way when it opened count no more.
local most, first = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('HDEL', key, 'probe')
if left('opened', longest_open) == 0 then
  local failures = redis.call('HINCRBY', key, 'failures', 1)
  if failures >= most then
    set('opened', now + math.min(longest_open, first * 2 ^ math.min(failures - most, 10)))
  end
end
keep()
return 1
-- == refused ==
-- ARGV: when the call was admitted, seconds that the server asks to wait.
-- Pause all calls. Halve the limit, or the recent flow without a limit, once for all calls
-- that were admitted before it was last lowered.
is_back()
catch_up()
set('paused', now + math.max(left('paused', longest_pause), math.min(longest_pause, tonumber(ARGV[2]))))
if tonumber(ARGV[1]) > number('refused') or number('refused') > now then
  for _, kind in ipairs(kinds) do
    local rate = number(kind)
    set(kind, math.max(least[kind], (rate > 0 and rate or flow(kind)) / 2))
    set('all:' .. kind, 0)
    set('urgent:' .. kind, 0)
  end
  set('refused', now)
end
keep()
return 1
-- == state ==
-- ARGV: failures that open the circuit, seconds that a probe may take.
-- Returns {1 while calls fail at once, 1 while the server's limit holds calls back}. Changes nothing.
local failing = number('failures') >= tonumber(ARGV[1])
local closed_for = math.max(left('opened', longest_open), left('probe', tonumber(ARGV[2])))
local slowed = number('requests') > 0 and math.abs(now - number('refused')) <= forget_seconds
local limited = left('paused', longest_pause) > 0 or slowed
return { failing and closed_for > 0 and 1 or 0, limited and 1 or 0 }
