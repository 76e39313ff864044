-- Before every script of this folder. KEYS[1] is the job's record, ARGV[1] its id.
--
-- {aegis}:job:ID            hash: the record; t:STAGE and t:queue are seconds
-- {aegis}:job:ID:events     stream
-- {aegis}:job:ID:artefacts  hash: name -> bytes
-- {aegis}:jobs:STATE:KIND   zset, all scores 0: ids in the order of their making (uuid7)
-- {aegis}:waiting:STAGE     zset: queued jobs by the time they were queued
-- {aegis}:published         zset: by the time their message was last sent; queued jobs, and
--                           running ones that were sent again after their lease ran out
-- {aegis}:leases            zset: running jobs by the end of their lease
-- {aegis}:finished          zset: jobs that are over, by their end
-- {aegis}:idempotency:HASH  hash: digest of the body, id of the job
-- {aegis}:changes           channel: the id of each job that changed
-- {aegis}:ends              channel: the id of each job that is over

local root = '{aegis}:'
local job, id = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local now = string.format('%d.%06d', clock[1], clock[2])

local function moved(from, to, kind)
  if from then
    redis.call('ZREM', root .. 'jobs:' .. from .. ':' .. kind, id)
  end
  redis.call('ZADD', root .. 'jobs:' .. to .. ':' .. kind, 0, id)
end

local function event(kind, data)
  redis.call('XADD', job .. ':events', 'MAXLEN', '~', 10000, '*', 'kind', kind, 'data', data)
  redis.call('PUBLISH', root .. 'changes', id)
end

-- error is JSON text, or nil
local function state_event(state, stage, attempts, error)
  local data = '{"state":"' .. state .. '","stage":"' .. stage .. '","attempts":' .. attempts
  if error then
    data = data .. ',"error":' .. error
  end
  event('state', data .. '}')
end

local function queue(stage)
  redis.call('HSET', job, 'state', 'queued', 'stage', stage, 'queued_at', now)
  redis.call('ZADD', root .. 'waiting:' .. stage, now, id)
  redis.call('ZADD', root .. 'published', now, id)
end

local function unqueue(stage)
  redis.call('ZREM', root .. 'waiting:' .. stage, id)
  redis.call('ZREM', root .. 'published', id)
  redis.call('ZREM', root .. 'leases', id)
end

-- The fence: whether ``token`` is the newest one of a running job.
local function holds(token)
  local held = redis.call('HMGET', job, 'state', 'token')
  return held[1] == 'running' and held[2] == token
end

-- A script is run twice when its answer was lost on the way; the second run
-- recognises itself by the step that it left behind.
local function repeated(step)
  return redis.call('HGET', job, 'closed') == step
end

local function expire(key, seconds)
  redis.call('PEXPIRE', key, math.ceil(tonumber(seconds) * 1000))
end

-- ``retention`` and ``grace`` are seconds until the artefacts go, and the record with its
-- events in case that nobody prunes it.
local function ended(from, to, kind, stage, retention, grace)
  moved(from, to, kind)
  unqueue(stage)
  redis.call('HSET', job, 'state', to, 'finished_at', now)
  redis.call('ZADD', root .. 'finished', now, id)
  expire(job, grace)
  expire(job .. ':events', grace)
  expire(job .. ':artefacts', retention)
  redis.call('PUBLISH', root .. 'ends', id)
end

-- The record of any job, as {fields, place in the queue from 0 or false}; false when there is none.
local function record_of(key, other)
  local fields = redis.call('HGETALL', key)
  if #fields == 0 then
    return false
  end
  local at = redis.call('HMGET', key, 'state', 'stage')
  if at[1] ~= 'queued' then
    return { fields, false }
  end
  return { fields, redis.call('ZRANK', root .. 'waiting:' .. at[2], other) }
end
