-- Before every script of this file.
--
-- {aegis}:keys           hash: id -> "REVISION JSON", as rag.access.keys has it
-- {aegis}:keys:names     hash: name -> id of the key that has it and is neither revoked nor suspended
-- {aegis}:keys:used      hash: id -> when it was last used, to a minute
-- {aegis}:keys:ends      sorted set: id -> when it was revoked, or else expires; +inf: neither
-- {aegis}:keys:demanded  there once a key was made, or made good again: from then on nobody comes in without

local keys = '{aegis}:keys'
local names, used, demanded = keys .. ':names', keys .. ':used', keys .. ':demanded'
local ends = keys .. ':ends'

local function time()
  local clock = redis.call('TIME')
  return string.format('%d.%06d', clock[1], clock[2])
end

-- Whether the records were brought in order since the server was started: before, its last second may be missing.
local function current()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return redis.call('GET', '{aegis}:intact') == run and 1 or 0
end

local function revision_of(id)
  return tonumber(string.match(redis.call('HGET', keys, id) or '0', '^%d+'))
end

-- ``holds``: whether the key has its name; ``closes``: whether it has been anything but suspended; ``ended``:
-- its place among the ends.
local function set(id, record, name, holds, closes, ended)
  redis.call('HSET', keys, id, record)
  redis.call('ZADD', ends, ended, id)
  if closes == '1' then
    redis.call('SET', demanded, 1)
  end
  if holds == '1' then
    redis.call('HSET', names, name, id)
  elseif redis.call('HGET', names, name) == id then
    redis.call('HDEL', names, name)
  end
end
-- == all ==
-- KEYS: the keys. Every record, and when each was used.
return { time(), redis.call('HGETALL', keys), redis.call('HGETALL', used) }
-- == find ==
-- KEYS: the keys; ARGV: id, or '' to ask only whether keys are demanded
local id = ARGV[1]
local record = id ~= '' and redis.call('HGET', keys, id)
return { time(), current(), redis.call('EXISTS', demanded), record, record and redis.call('HGET', used, id) }
-- == forget ==
-- KEYS: the keys; ARGV: seconds for which a key that has ended is kept, how many to forget at most. Their ids.
local before = string.format('(%.6f', time() - tonumber(ARGV[1]))
local found = redis.call('ZRANGE', ends, '-inf', before, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(found) do
  local name = cjson.decode(string.match(redis.call('HGET', keys, id), ' (.*)')).name
  if redis.call('HGET', names, name) == id then
    redis.call('HDEL', names, name)
  end
  redis.call('HDEL', keys, id)
  redis.call('HDEL', used, id)
  redis.call('ZREM', ends, id)
end
return found
-- == put ==
-- KEYS: the keys; ARGV: id, "REVISION JSON", the revision that it follows or 0, name, whether the key has it,
-- whether it closes the door, whether nobody's key asks for it, when it ends, most keys that have not ended, most keys
local id, record, after, name, holds = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
if revision_of(id) ~= after then
  -- a script whose answer was lost may run twice
  return redis.call('HGET', keys, id) == record and 'done' or 'changed'
end
if ARGV[7] == '1' and redis.call('EXISTS', demanded) == 1 then
  return 'demanded'
end
local holder = redis.call('HGET', names, name)
if holds == '1' and holder and holder ~= id then
  return 'taken'
end
if after == 0 then
  local lasting = redis.call('ZCOUNT', ends, '(' .. time(), '+inf')
  if lasting >= tonumber(ARGV[9]) or redis.call('HLEN', keys) >= tonumber(ARGV[10]) then
    return 'full'
  end
end
set(id, record, name, holds, ARGV[6], ARGV[8])
return 'done'
-- == restore ==
-- KEYS: the keys; ARGV: id, "REVISION JSON", name, whether the key has it, whether it closes the door, when it
-- ends. What is as new stays.
local id, record, name = ARGV[1], ARGV[2], ARGV[3]
if tonumber(string.match(record, '^%d+')) <= revision_of(id) then
  return 0
end
local holder = redis.call('HGET', names, name)
set(id, record, name, (not holder or holder == id) and ARGV[4] or '0', ARGV[5], ARGV[6])
return 1
-- == used ==
-- KEYS: the keys; ARGV: id
redis.call('HSET', used, ARGV[1], time())
