-- Before every script of this folder. KEYS[1] is the job's record, ARGV[1] its id.
--
-- {aegis}:job:ID            hash: the record; t:STAGE and t:queue are seconds; due is the deadline
--                           by this server's clock, deadline by that of the one who asked; solo is 1
--                           for a job that shares no batch until its stage is done; lapsed is the token of
--                           an attempt whose lease was found to be over
-- {aegis}:job:ID:events     stream; that of a result has none, since the record has it
-- {aegis}:job:ID:artefacts  hash: name -> bytes
-- {aegis}:jobs:STATE:KIND   zset, all scores 0: ids in the order of their making (uuid7)
-- {aegis}:in:COLLECTION:KIND  zset, all scores 0: a collection's jobs, for callers who see no others
-- {aegis}:asked:OWNER       zset, all scores 0: an owner's questions, likewise
-- {aegis}:lists             set: the names of those two
-- {aegis}:about:COLLECTION/DOCUMENT  zset, all scores 0: the jobs about a document of a collection, and with
--                           nothing before the slash those about one of that id in any; it goes with their records
-- {aegis}:waiting:STAGE     zset: queued jobs by the time they were queued
-- {aegis}:line:STAGE:OWNER   zset: an owner's queued jobs that are due, by the time they were queued
-- {aegis}:resting:STAGE     zset: queued jobs that are due later, by that time
-- {aegis}:turns:STAGE       zset: owners by how much of the stage they have had; an owner may be there without a line
-- {aegis}:absent:STAGE      zset: owners without a line who have had more than the owner of the last turn
-- {aegis}:turn:STAGE        how much of the stage the owner of the last turn had had before it
-- {aegis}:batch:WORKER      list: a token, then the jobs that the worker began with that call
-- {aegis}:open:KIND:OWNER   set: an owner's jobs that are not over
-- {aegis}:coming:COLLECTION  zset, all scores 0: "DOCUMENT JOB" of its ingestions that are not over, with the
--                           character 31 between them, which no id has
-- {aegis}:owners:KIND       zset: owners by how many those are
-- {aegis}:leases            zset: running jobs by the end of their lease
-- {aegis}:deadlines         zset: jobs that are not over, by the time they are due
-- {aegis}:finished          zset: jobs that are over and not dead, by their end
-- {aegis}:dead              zset: dead letters, by their end
-- {aegis}:remains           zset: ingestions that ended without success, by the time from which their
--                           leftovers may be removed
-- {aegis}:ended:KIND:MINUTE how many jobs ended in that minute since 1970
-- {aegis}:idempotency:HASH  hash: digest of the body, id of the job
-- {aegis}:changes           channel: the id of each job that changed
-- {aegis}:ends              channel: the id of each job that is over

local root = '{aegis}:'
local job, id = KEYS[1], ARGV[1]
local clock = redis.call('TIME')
local now = string.format('%d.%06d', clock[1], clock[2])
local seconds = tonumber(now)
local longest_delay = 300 -- until a retry
local slack = 5
local longest_grace = 3 -- for a living worker to renew its lease, once it reaches the server again
local largest = 64 -- what one turn counts at most, so that no owner pays long for a large job

local owners = {} -- a job's never changes
local function owner_of(key)
  owners[key] = owners[key] or redis.call('HGET', key, 'owner') or ''
  return owners[key]
end

local function coming(collection)
  return root .. 'coming:' .. collection
end

-- Note whether an ingestion of the document is on its way.
local function note_coming(open)
  local at = redis.call('HMGET', job, 'collection', 'inputs')
  local read, inputs = pcall(cjson.decode, at[2])
  local document = read and type(inputs) == 'table' and inputs['document_id']
  document = type(document) == 'string' and document or ''
  if open then
    redis.call('ZADD', coming(at[1]), 0, document .. '\31' .. id)
  else
    redis.call('ZREM', coming(at[1]), document .. '\31' .. id)
  end
end

-- Note whether the job is open, and how many open jobs its owner has. Nothing is noted without an owner.
local function note_open(open, kind)
  if kind == 'ingest' then
    note_coming(open)
  end
  local owner = owner_of(job)
  if owner == '' then
    return
  end
  local own, owners = root .. 'open:' .. kind .. ':' .. owner, root .. 'owners:' .. kind
  redis.call(open and 'SADD' or 'SREM', own, id)
  local count = redis.call('SCARD', own)
  if count > 0 then
    redis.call('ZADD', owners, count, owner)
  else
    redis.call('ZREM', owners, owner)
  end
end

-- The lists for callers who do not see all jobs.
local function lists_of(kind, collection, owner)
  local lists = { root .. 'in:' .. collection .. ':' .. kind }
  if kind == 'query' then
    lists[2] = root .. 'asked:' .. (owner or '')
  end
  return lists
end

local function list(other, kind, collection, owner)
  for _, each in ipairs(lists_of(kind, collection, owner)) do
    redis.call('ZADD', each, 0, other)
    redis.call('SADD', root .. 'lists', each)
  end
end

local function unlist(other, lists)
  for _, each in ipairs(lists) do
    if redis.call('ZREM', each, other) == 1 and redis.call('EXISTS', each) == 0 then
      redis.call('SREM', root .. 'lists', each)
    end
  end
end

-- The document that a job is about, or false. A new record has it in its inputs only.
local function document_of(key)
  local at = redis.call('HMGET', key, 'document', 'kind', 'inputs')
  if at[1] or (at[2] ~= 'ingest' and at[2] ~= 'delete') then
    return at[1]
  end
  local sound, inputs = pcall(cjson.decode, at[3])
  local document = sound and type(inputs) == 'table' and inputs['document_id']
  if type(document) ~= 'string' then
    return false
  end
  redis.call('HSET', key, 'document', document)
  return document
end

local function lists_about(collection, document)
  if not document then
    return {}
  end
  return { root .. 'about:' .. collection .. '/' .. document, root .. 'about:/' .. document }
end

local function list_about(other, key, collection)
  for _, each in ipairs(lists_about(collection, document_of(key))) do
    redis.call('ZADD', each, 0, other)
  end
end

local function unlist_about(other, collection, document)
  for _, each in ipairs(lists_about(collection, document)) do
    redis.call('ZREM', each, other)
  end
end

-- ``from`` nil: the record is new.
local function moved(from, to, kind)
  if from then
    redis.call('ZREM', root .. 'jobs:' .. from .. ':' .. kind, id)
  else
    list(id, kind, redis.call('HGET', job, 'collection'), owner_of(job))
    list_about(id, job, redis.call('HGET', job, 'collection'))
  end
  redis.call('ZADD', root .. 'jobs:' .. to .. ':' .. kind, 0, id)
  local was, is = from == 'queued' or from == 'running', to == 'queued' or to == 'running'
  if was ~= is then
    note_open(is, kind)
  end
end

local last_event
local function event(kind, data)
  last_event = redis.call('XADD', job .. ':events', 'MAXLEN', '~', 10000, '*', 'kind', kind, 'data', data)
  redis.call('PUBLISH', root .. 'changes', id)
end

-- Call this after the last event of a job: its id outlives the events.
local function all_told()
  redis.call('HSET', job, 'last_event', last_event)
end

-- error is JSON text, or nil
local function state_event(state, stage, attempts, error)
  local data = '{"state":"' .. state .. '","stage":"' .. stage .. '","attempts":' .. attempts
  if error then
    data = data .. ',"error":' .. error
  end
  event('state', data .. '}')
end

local function line_of(stage, owner)
  return root .. 'line:' .. stage .. ':' .. owner
end

-- How much of the stage the owner of the last turn had had before it.
local function last_turn(stage)
  return tonumber(redis.call('GET', root .. 'turn:' .. stage) or 0)
end

-- Owners take turns at a stage: the next turn is that of the owner who has had least of it (start-time fair
-- queueing, Goyal, Vin and Cheng 1996). A new owner counts as having had as much as the owner of the last turn.
local function line_up(stage, other, since)
  local owner, turns = owner_of(root .. 'job:' .. other), root .. 'turns:' .. stage
  redis.call('ZADD', line_of(stage, owner), since, other)
  if redis.call('ZADD', turns, 'NX', last_turn(stage), owner) == 1 then
    redis.call('ZADD', turns, 'GT', redis.call('ZSCORE', root .. 'absent:' .. stage, owner) or 0, owner)
    redis.call('ZREM', root .. 'absent:' .. stage, owner)
  end
end

-- The job's owner had a turn.
local function count_turn(stage, owner, size)
  local cost, absent = math.max(1, math.min(tonumber(size or 1), largest)), root .. 'absent:' .. stage
  if not redis.call('ZADD', root .. 'turns:' .. stage, 'XX', 'INCR', cost, owner) then
    local before = math.max(last_turn(stage), redis.call('ZSCORE', absent, owner) or 0)
    redis.call('ZADD', absent, before + cost, owner)
  end
end

-- ``delay``: seconds until the job is due.
local function queue(stage, delay)
  redis.call('HSET', job, 'state', 'queued', 'stage', stage, 'queued_at', now)
  redis.call('ZADD', root .. 'waiting:' .. stage, now, id)
  delay = math.min(delay or 0, longest_delay)
  if delay > 0 then
    redis.call('ZADD', root .. 'resting:' .. stage, seconds + delay, id)
  else
    line_up(stage, id, now)
  end
end

local function unqueue(stage)
  if redis.call('ZREM', root .. 'waiting:' .. stage, id) == 1 then
    if redis.call('ZREM', line_of(stage, owner_of(job)), id) == 0 then
      redis.call('ZREM', root .. 'resting:' .. stage, id)
    end
  end
  redis.call('ZREM', root .. 'leases', id)
end

-- Whether the lease of a running job lasts. One that ends later than it can is from before the
-- clock jumped back.
local function leased(key, other)
  local till = redis.call('ZSCORE', root .. 'leases', other)
  local left = till and till - seconds or 0
  return left > 0 and left <= tonumber(redis.call('HGET', key, 'lease') or longest_delay) + slack
end

-- The fence: whether ``token`` is the newest one of a running job.
local function holds(token)
  local held = redis.call('HMGET', job, 'state', 'token')
  return held[1] == 'running' and held[2] == token
end

-- A script runs twice when its answer was lost on the way. The second run recognises that by the step that
-- the first one recorded.
local function repeated(step)
  return redis.call('HGET', job, 'closed') == step
end

local function expire(key, seconds)
  redis.call('PEXPIRE', key, math.ceil(tonumber(seconds) * 1000))
end

-- The lists of the job's document expire with the last record in them.
local function keep_lists_about(seconds)
  local at = redis.call('HMGET', job, 'collection', 'document')
  for _, each in ipairs(lists_about(at[1], at[2])) do
    if redis.call('PTTL', each) < tonumber(seconds) * 1000 then
      expire(each, seconds)
    end
  end
end

-- The job must end within ``lifetime`` seconds from now.
local function due_in(lifetime)
  redis.call('HSET', job, 'due', string.format('%.6f', seconds + lifetime), 'lifetime', lifetime)
  redis.call('ZADD', root .. 'deadlines', seconds + lifetime, id)
end

local function minute_of(kind, back)
  return root .. 'ended:' .. kind .. ':' .. math.floor(seconds / 60) - back
end

-- Jobs of a kind that are not over, and about how many ended within the last minute.
local function flow(kind)
  local open = redis.call('ZCARD', root .. 'jobs:queued:' .. kind)
    + redis.call('ZCARD', root .. 'jobs:running:' .. kind)
  local this, last = redis.call('GET', minute_of(kind, 0)), redis.call('GET', minute_of(kind, 1))
  return open, math.floor((this or 0) + (last or 0) * (1 - seconds % 60 / 60))
end

-- Why another job of a kind is refused: false if it is not, else {'full' or 'share', open jobs, how many of them
-- end in a minute, how many may be open}. An owner may have as many open jobs as there is still room for, so that
-- no owner fills the queue alone. '' as ``most``: no limit.
local function no_room(kind, owner, most, most_own)
  if most == '' then
    return false
  end
  local open, drained = flow(kind)
  if open >= tonumber(most) then
    return { 'full', open, drained, tonumber(most) }
  end
  if owner == '' then
    return false
  end
  local own = redis.call('SCARD', root .. 'open:' .. kind .. ':' .. owner)
  local bound = math.min(tonumber(most_own) or math.huge, most - open)
  return own >= bound and { 'share', own, math.floor(drained * own / math.max(1, open)), bound }
end

-- ``keep``: seconds until the artefacts expire, until the events expire, and until the record does if
-- nothing prunes it.
local function ended(from, to, kind, stage, keep)
  moved(from, to, kind)
  unqueue(stage)
  redis.call('ZREM', root .. 'deadlines', id)
  redis.call('HSET', job, 'state', to, 'finished_at', now)
  redis.call('ZADD', root .. (to == 'dead' and 'dead' or 'finished'), now, id)
  if kind == 'ingest' and (to == 'failed' or to == 'cancelled') then
    redis.call('ZADD', root .. 'remains', now, id)
  end
  redis.call('INCR', minute_of(kind, 0))
  expire(minute_of(kind, 0), 180)
  expire(job .. ':artefacts', keep[1])
  expire(job .. ':events', keep[2])
  expire(job, keep[3])
  keep_lists_about(keep[3])
  redis.call('PUBLISH', root .. 'ends', id)
end

-- How many jobs come before a queued one: those that wait longer, or, if that is less, as many of each owner
-- as are before it in its own owner's line.
local function place_of(other, stage, owner)
  local place = redis.call('ZRANK', root .. 'waiting:' .. stage, other)
  local count = redis.call('ZCARD', root .. 'turns:' .. stage)
  local own = count > 1 and redis.call('ZRANK', line_of(stage, owner), other)
  return own and place and math.min(place, (own + 1) * count - 1) or place
end

-- The record of any job, as {fields, place in the queue from 0 or false}; false when there is none.
local function record_of(key, other)
  local fields = redis.call('HGETALL', key)
  if #fields == 0 then
    return false
  end
  local at = redis.call('HMGET', key, 'state', 'stage', 'owner')
  if at[1] ~= 'queued' then
    return { fields, false }
  end
  return { fields, place_of(other, at[2], at[3] or '') }
end

-- Whether a job is one of those that ARGV names from ``first`` on: '1' if only one owner's questions are meant,
-- else ''; that owner; then the collections, none for all. It takes as long for a job that is not there.
local wanted
local function within(key, first)
  if not wanted then
    wanted = {}
    for i = first + 2, #ARGV do
      wanted[ARGV[i]] = true
    end
  end
  local at = redis.call('HMGET', key, 'collection', 'kind', 'owner')
  return at[1] and (#ARGV < first + 2 or wanted[at[1]]) and
    (ARGV[first] ~= '1' or at[2] ~= 'query' or (at[3] or '') == ARGV[first + 1])
end

-- What an earlier submit with the same key means for this one: {'mismatch'}, {'known', record}, or false.
local function earlier_with(idempotency, digest)
  local earlier = redis.call('HMGET', idempotency, 'job', 'digest')
  if earlier[2] and earlier[2] ~= digest then
    return { 'mismatch' }
  end
  local known = earlier[1] and earlier[1] ~= id and record_of(root .. 'job:' .. earlier[1], earlier[1])
  return known and { 'known', known } or false
end

-- Queue a running stage again, due ``delay`` seconds from now, as ``step`` of its attempt; the error is
-- JSON text, or nil. A job that was begun before, or is ``solo``, is then begun alone.
local function requeue(step, attempts, delay, error, solo)
  local at = redis.call('HMGET', job, 'kind', 'stage')
  unqueue(at[2])
  redis.call('HSET', job, 'closed', step)
  redis.call('HDEL', job, 'holder', 'lapsed')
  if solo then
    redis.call('HSET', job, 'solo', 1)
  end
  queue(at[2], delay)
  moved('running', 'queued', at[1])
  state_event('queued', at[2], attempts, error)
  return 1
end

local function look_at(other)
  job, id = root .. 'job:' .. other, other
end

-- Queue the running jobs of ``stage`` again whose lease has run out. A living worker may not have reached the
-- server for a while: its lease is first prolonged once by a grace, in which it can renew it.
local function requeue_lost(stage, lease)
  local leases = root .. 'leases'
  local over = redis.call('ZRANGE', leases, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  local ahead = redis.call('ZRANGE', leases, seconds + lease + slack, '+inf', 'BYSCORE', 'LIMIT', 0, 100)
  for _, others in ipairs({ over, ahead }) do
    for _, other in ipairs(others) do
      look_at(other)
      local at = redis.call('HMGET', job, 'state', 'stage', 'token', 'lapsed', 'lease', 'attempts')
      if not at[1] then
        redis.call('ZREM', leases, other)
      elseif at[2] == stage and not leased(job, other) then
        local grace = math.min(longest_grace, tonumber(at[5] or 0) / 3)
        if at[4] == at[3] or grace == 0 then
          requeue(at[3] .. ':lost', at[6])
        else
          redis.call('HSET', job, 'lapsed', at[3])
          redis.call('ZADD', leases, seconds + grace, other)
        end
      end
    end
  end
end

-- Queue again what the last call of ``worker`` began at one of ``stages`` and still holds. The worker has one slot,
-- so the child process that worked it has died.
local function requeue_abandoned(worker, stages)
  local before = worker ~= '' and redis.call('LRANGE', root .. 'batch:' .. worker, 1, -1) or {}
  for _, other in ipairs(before) do
    look_at(other)
    local at = redis.call('HMGET', job, 'state', 'stage', 'holder', 'attempts')
    local held = at[3] or ''
    if at[1] == 'running' and stages[at[2]] and string.sub(held, 1, #worker + 1) == worker .. ':' then
      requeue(held .. ':abandoned', at[4])
    end
  end
end

-- Put jobs whose pause is over in line, ordered by the time that they were queued. A time further ahead than the
-- longest delay was set before the clock jumped back.
local function wake(stage)
  local resting = root .. 'resting:' .. stage
  local over = redis.call('ZRANGE', resting, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  local ahead = redis.call('ZRANGE', resting, seconds + longest_delay + slack, '+inf', 'BYSCORE', 'LIMIT', 0, 100)
  for _, others in ipairs({ over, ahead }) do
    for _, other in ipairs(others) do
      redis.call('ZREM', resting, other)
      line_up(stage, other, redis.call('HGET', root .. 'job:' .. other, 'queued_at') or now)
    end
  end
end

-- Put everything at ``stage`` that is due by now in its owner's line.
local function line_up_due(stage, lease)
  requeue_lost(stage, lease)
  wake(stage)
end
