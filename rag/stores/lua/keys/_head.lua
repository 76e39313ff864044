-- Before every script of this folder.
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
