-- Before every script of this file. KEYS[1] is the job's record, ARGV[1] its id.
--
-- {aegis}:job:ID            hash: the record; t:STAGE and t:queue are seconds; due is the deadline; ready_at: when it
--                            is, or was, due at its stage
--                           by this server's clock, deadline by that of the one who asked; solo is 1
--                           for a job that shares no batch until its stage is done; lapsed is the token of
--                           an attempt whose lease was found to be over; ready_at is the end of its last pause,
--                           waits_for what it pauses for; failing_since is when the stage's attempts began to fail
-- {aegis}:job:ID:events     stream; that of a result has none, since the record has it
-- {aegis}:job:ID:artefacts  hash: name -> bytes
-- {aegis}:jobs:STATE:KIND   zset, all scores 0: ids in the order of their making (uuid7)
-- {aegis}:in:COLLECTION:KIND  zset, all scores 0: a collection's jobs, for callers who see no others
-- {aegis}:asked:OWNER       zset, all scores 0: an owner's questions, likewise
-- {aegis}:lists             set: the names of those two
-- {aegis}:about:COLLECTION/DOCUMENT  zset, all scores 0: the jobs about a document of a collection, and with
--                           nothing before the slash those about one of that id in any; it goes with their records
-- {aegis}:waiting:STAGE     zset: queued jobs by the time they were queued
-- {aegis}:line:STAGE:OWNER   zset: an owner's queued jobs that are due, by the time they were queued; those of
--                           batches are in a line of their own, whose name ends in the character 31
-- {aegis}:sides:STAGE       hash: owners with both lines -> the one that the last job came from, 1 for that of batches
-- {aegis}:resting:STAGE     zset: queued jobs that are due later, by that time
-- {aegis}:turns:STAGE       zset: owners by how much of the stage they have had; an owner may be there without a line
-- {aegis}:absent:STAGE      zset: owners without a line who have had more than the owner of the last turn
-- {aegis}:turn:STAGE        how much of the stage the owner of the last turn had had before it
-- {aegis}:batch:WORKER      list: a token, then the jobs that the worker began with that call
-- {aegis}:bulk:BATCH        hash: of documents that were submitted together: id, owner, created_at, accepted (how many
--                           jobs there were), collections (with commas between), idempotency, digest, and the
--                           answer, JSON, once all of them are recorded
-- {aegis}:bulk:BATCH:jobs   zset, all scores 0: its jobs; it goes with the last of their records
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
-- {aegis}:worked:MINUTE     hash: "STAGE SLOT" -> how many attempts ended in that slot of five seconds
-- {aegis}:statistics        hash: counts of everything since Redis was empty:
--                           wait:STAGE:N, run:STAGE:N, job:KIND:N: durations up to the N-th limit and over the
--                           one before; with us in the place of N, their sum in microseconds;
--                           retry:STAGE:CODE, recovery:STAGE, end:KIND:STATE; of successes also
--                           answer:OUTCOME, documents, passages, and the durations first_token:N
-- {aegis}:idempotency:HASH  hash: digest of the body, id of the job or of the batch
-- {aegis}:changes           channel: the id of each job that changed
-- {aegis}:ends              channel: the id of each job that is over, and of its batch

local root = '{aegis}:'
local job, id = KEYS[1], ARGV[1]

local clock = redis.call('TIME')
local now = string.format('%d.%06d', clock[1], clock[2])
local seconds = tonumber(now)

local longest_delay = 300 -- until a retry
local slack = 5
local longest_grace = 3 -- for a living worker to renew its lease, once it reaches the server again
local largest = 64 -- what one turn counts at most, so that no owner pays long for a large job

local counts = {} -- what this script adds to the statistics, by field

local function count(field, by)
  counts[field] = (counts[field] or 0) + by
end

-- Add what was counted. Two commands, however much it is: a script spends most of its time on calling commands.
local function write_counts()
  local fields = {}
  for field in pairs(counts) do
    fields[#fields + 1] = field
  end
  if #fields == 0 then
    return
  end
  local before, added = redis.call('HMGET', root .. 'statistics', unpack(fields)), {}
  for i, field in ipairs(fields) do
    added[2 * i - 1], added[2 * i] = field, (before[i] or 0) + counts[field]
  end
  redis.call('HSET', root .. 'statistics', unpack(added))
  counts = {}
end

-- Count a duration in the histogram ``name``.
local function observe(name, took, limits)
  local bucket = 1
  while limits[bucket] and took > limits[bucket] do
    bucket = bucket + 1
  end
  count(name .. ':' .. bucket, 1)
  count(name .. ':us', math.floor(took * 1000000))
end

-- Count an attempt at ``stage`` that ends by its own report. ``seen``, ``held``, ``lease``: as its record has them.
local function count_attempt(stage, seen, held, lease)
  local passed = math.max(0, math.min(seconds - (seen or now), tonumber(lease or longest_delay) + slack))
  observe('run:' .. stage, (held or 0) + passed, stage_limits)
  local worked, second = root .. 'worked:' .. math.floor(seconds / 60), math.floor(seconds % 60)
  if redis.call('HINCRBY', worked, stage .. ' ' .. math.floor(second / 5), 1) == 1 then
    redis.call('EXPIRE', worked, 420)
  end
end

local owners, batches = {}, {} -- a job's never change
local function owner_of(key)
  if not owners[key] then
    local at = redis.call('HMGET', key, 'owner', 'batch')
    owners[key], batches[key] = at[1] or '', at[2] or ''
  end
  return owners[key]
end

-- '' for none.
local function batch_of(key)
  return owner_of(key) and batches[key]
end

local function coming(collection)
  return root .. 'coming:' .. collection
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

-- Note whether an ingestion of the document is on its way.
local function note_coming(open)
  local member = (document_of(job) or '') .. '\31' .. id
  if open then
    redis.call('ZADD', coming(redis.call('HGET', job, 'collection')), 0, member)
  else
    redis.call('ZREM', coming(redis.call('HGET', job, 'collection')), member)
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
    local collection = redis.call('HGET', job, 'collection')
    list(id, kind, collection, owner_of(job))
    list_about(id, job, collection)
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

-- An owner's line of jobs of batches, or that of all others.
local function line_of(stage, owner, in_batch)
  return root .. 'line:' .. stage .. ':' .. owner .. (in_batch and '\31' or '')
end

local function has_line(stage, owner)
  return redis.call('EXISTS', line_of(stage, owner), line_of(stage, owner, true)) > 0
end

local function in_batch(key)
  return batch_of(key) ~= ''
end

-- How much of the stage the owner of the last turn had had before it.
local function last_turn(stage)
  return tonumber(redis.call('GET', root .. 'turn:' .. stage) or 0)
end

-- Owners take turns at a stage: the next turn is that of the owner who has had least of it (start-time fair
-- queueing, Goyal, Vin and Cheng 1996). A new owner counts as having had as much as the owner of the last turn.
local function line_up(stage, other, since)
  local key, turns = root .. 'job:' .. other, root .. 'turns:' .. stage
  local owner = owner_of(key)
  redis.call('ZADD', line_of(stage, owner, in_batch(key)), since, other)
  if redis.call('ZADD', turns, 'NX', last_turn(stage), owner) == 1 then
    redis.call('ZADD', turns, 'GT', redis.call('ZSCORE', root .. 'absent:' .. stage, owner) or 0, owner)
    redis.call('ZREM', root .. 'absent:' .. stage, owner)
  end
end

-- An owner has no job in line any more.
local function leave(stage, owner)
  local turns = root .. 'turns:' .. stage
  redis.call('ZADD', root .. 'absent:' .. stage, redis.call('ZSCORE', turns, owner), owner)
  redis.call('ZREM', turns, owner)
  redis.call('HDEL', root .. 'sides:' .. stage, owner)
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
  delay = math.min(delay or 0, longest_delay)
  redis.call('HSET', job, 'state', 'queued', 'stage', stage, 'queued_at', now)
  redis.call('ZADD', root .. 'waiting:' .. stage, now, id)
  if delay > 0 then
    redis.call('HSET', job, 'ready_at', string.format('%.6f', seconds + delay))
    redis.call('ZADD', root .. 'resting:' .. stage, seconds + delay, id)
  else
    line_up(stage, id, now)
  end
end

-- A queued job leaves the queue.
local function unqueue(stage)
  if redis.call('ZREM', root .. 'waiting:' .. stage, id) == 1 then
    if redis.call('ZREM', line_of(stage, owner_of(job), in_batch(job)), id) == 0 then
      redis.call('ZREM', root .. 'resting:' .. stage, id)
    end
  end
end

-- A running job loses its lease.
local function end_lease()
  redis.call('ZREM', root .. 'leases', id)
end

-- Whether a lease lasts that ends at ``till``, and was given for ``lease`` seconds. One that ends later than it can
-- is from before the clock jumped back.
local function lasts(till, lease)
  local left = till and till - seconds or 0
  return left > 0 and left <= tonumber(lease or longest_delay) + slack
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

-- What ``step`` of the attempt with this token is answered with when it changes nothing: 1 when it was done before,
-- 0 when the fence keeps it out. Else nil.
local function known_answer(step, token)
  local at = redis.call('HMGET', job, 'state', 'token', 'closed')
  if at[3] == step then
    return 1
  end
  if at[1] ~= 'running' or at[2] ~= token then
    return 0
  end
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

-- The job's batch expires with the last record in it.
local function keep_batch(batch, seconds)
  for _, each in ipairs({ root .. 'bulk:' .. batch, root .. 'bulk:' .. batch .. ':jobs' }) do
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
  if from == 'queued' then
    unqueue(stage)
  else
    end_lease()
  end
  redis.call('ZREM', root .. 'deadlines', id)
  redis.call('HSET', job, 'state', to, 'finished_at', now)
  redis.call('ZADD', root .. (to == 'dead' and 'dead' or 'finished'), now, id)
  if kind == 'ingest' and (to == 'failed' or to == 'cancelled') then
    redis.call('ZADD', root .. 'remains', now, id)
  end
  if from ~= 'dead' then
    count('end:' .. kind .. ':' .. to, 1)
    write_counts()
  end
  if redis.call('INCR', minute_of(kind, 0)) == 1 then
    expire(minute_of(kind, 0), 180)
  end
  expire(job .. ':artefacts', keep[1])
  expire(job .. ':events', keep[2])
  expire(job, keep[3])
  keep_lists_about(keep[3])
  redis.call('PUBLISH', root .. 'ends', id)
  local batch = batch_of(job)
  if batch ~= '' then
    keep_batch(batch, keep[3])
    redis.call('PUBLISH', root .. 'ends', batch)
  end
end

-- How many of its owner's jobs come before a queued one: those before it in its line, and as many of the other line;
-- false of a job that rests.
local function own_place_of(other, stage, owner)
  local batched = in_batch(root .. 'job:' .. other)
  local own = redis.call('ZRANK', line_of(stage, owner, batched), other)
  return own and own + math.min(own + 1, redis.call('ZCARD', line_of(stage, owner, not batched)))
end

-- How many jobs come before a queued one: those that wait longer, or, if that is less, as many of each owner
-- as are before it of its own owner's. Then how many of its owner's do, if several owners take turns, else false.
local function place_of(other, stage, owner)
  local place = redis.call('ZRANK', root .. 'waiting:' .. stage, other)
  local count = redis.call('ZCARD', root .. 'turns:' .. stage)
  local alone = count <= 1 and redis.call('EXISTS', line_of(stage, owner, true)) == 0
  local own = not alone and own_place_of(other, stage, owner)
  return own and place and math.min(place, (own + 1) * count - 1) or place, count > 1 and own
end

-- The record of any job, as {fields, place in the queue from 0 or false, place among its owner's or false}; false when
-- there is none.
local function record_of(key, other)
  local fields = redis.call('HGETALL', key)
  if #fields == 0 then
    return false
  end
  local at = redis.call('HMGET', key, 'state', 'stage', 'owner', 'batch')
  owners[key], batches[key] = at[3] or '', at[4] or ''
  if at[1] ~= 'queued' then
    return { fields, false, false }
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
  end_lease()
  write_counts()
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

-- The class of an error, a code of rag.errors. ``error`` is JSON text.
local function code_of(error)
  return string.match(cjson.decode(error)['type'] or '', '[^:]*$')
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
      elseif at[2] == stage and not lasts(redis.call('ZSCORE', leases, other), at[5]) then
        local grace = math.min(longest_grace, tonumber(at[5] or 0) / 3)
        if at[4] == at[3] or grace == 0 then
          count('recovery:' .. stage, 1)
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
      count('recovery:' .. at[2], 1)
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

-- Let owners take turns again whose line of batches an earlier version of Aegis did not know.
local function find_overlooked(stage)
  for _, owner in ipairs(redis.call('ZRANGE', root .. 'absent:' .. stage, 0, 99)) do
    if redis.call('EXISTS', line_of(stage, owner, true)) == 1 then
      redis.call('ZADD', root .. 'turns:' .. stage, 'NX', redis.call('ZSCORE', root .. 'absent:' .. stage, owner), owner)
      redis.call('ZREM', root .. 'absent:' .. stage, owner)
    end
  end
end

-- Put everything at ``stage`` that is due by now in its owner's line.
local function line_up_due(stage, lease)
  requeue_lost(stage, lease)
  wake(stage)
end

-- Record a queued job; ``fields``: further names and values of its record, in turn.
local function record_new(kind, stage, fields)
  redis.call('HSET', job, 'id', id, 'kind', kind, 'created_at', now, 'attempts', 0, 'token', 0, unpack(fields))
  queue(stage)
  moved(nil, 'queued', kind)
  state_event('queued', stage, 0)
end

-- List the job in its batch; a batch without a record gets one. ``restored``: the batch may not know how many it had.
local function list_in_batch(restored)
  local at = redis.call('HMGET', job, 'batch', 'owner', 'created_at', 'collection')
  local key = at[1] and root .. 'bulk:' .. at[1]
  if not key or redis.call('ZADD', key .. ':jobs', 0, id) == 0 then
    return
  end
  redis.call('HSETNX', key, 'id', at[1])
  redis.call('HSETNX', key, 'owner', at[2] or '')
  redis.call('HSETNX', key, 'created_at', at[3])
  if restored and redis.call('HEXISTS', key, 'answer') == 0 then
    redis.call('HINCRBY', key, 'accepted', 1)
  end
  local collections = redis.call('HGET', key, 'collections') or ''
  if not string.find(',' .. collections .. ',', ',' .. at[4] .. ',', 1, true) then
    redis.call('HSET', key, 'collections', collections == '' and at[4] or collections .. ',' .. at[4])
  end
end

local function unlist_in_batch(batch, other)
  local key = root .. 'bulk:' .. (batch or '')
  if redis.call('ZREM', key .. ':jobs', other) == 1 and redis.call('EXISTS', key .. ':jobs') == 0 then
    redis.call('UNLINK', key)
  end
end
-- == abandon ==
-- ARGV: id, token, when its holder renewed the lease last
-- Ends a lease at once that its holder has not renewed since. Returns 1, or 0 where it did, or lost the job.
if not holds(ARGV[2]) or redis.call('HGET', job, 'seen') ~= ARGV[3] then
  return 0
end
redis.call('HSET', job, 'lapsed', ARGV[2], 'lease', 0)
redis.call('ZADD', root .. 'leases', now, id)
return 1
-- == abandon_batch ==
-- KEYS: the batch, idempotency; ARGV: '', batch. Frees the key of a batch that has no jobs.
if redis.call('HGET', KEYS[2], 'batch') == ARGV[2] and redis.call('EXISTS', KEYS[1] .. ':jobs') == 0 then
  redis.call('UNLINK', KEYS[1], KEYS[2])
end
return 1
-- == accept ==
-- KEYS: record [, idempotency]; ARGV: id, kind, stage, collection, inputs, deadline, seconds until then,
-- digest, seconds to keep the key, most jobs of the kind, trace context, owner,
-- most jobs of the kind that the owner may have open; '' is none
local kind, stage, deadline, digest, most, trace = ARGV[2], ARGV[3], ARGV[6], ARGV[8], ARGV[10], ARGV[11]
local owner, idempotency = ARGV[12], KEYS[2]

local earlier = idempotency and earlier_with(idempotency, digest)
if earlier then
  return earlier
end

if redis.call('EXISTS', job) == 0 then
  local refusal = no_room(kind, owner, most, ARGV[13])
  if refusal then
    return refusal
  end
  local fields = { 'collection', ARGV[4], 'inputs', ARGV[5] }
  for name, value in pairs({ deadline = deadline, trace = trace, owner = owner, idempotency = idempotency or '' }) do
    if value ~= '' then
      fields[#fields + 1], fields[#fields + 2] = name, value
    end
  end
  if idempotency then
    fields[#fields + 1], fields[#fields + 2] = 'digest', digest
  end
  if deadline ~= '' then
    due_in(ARGV[7])
  end
  record_new(kind, stage, fields)
end
if idempotency then
  redis.call('HSET', idempotency, 'job', id, 'digest', digest)
  expire(idempotency, ARGV[9])
end
return { 'new', record_of(job, id) }
-- == accept_all ==
-- KEYS: nothing of a job, then for each job its idempotency key, or none of all; ARGV: '', kind, most jobs of the kind
-- or '', owner, most of them that the owner may have open or '', trace context, batch, seconds to keep the keys; then
-- for each job its id, stage, collection, inputs, document and digest.
-- Returns for each {'new'}, {'known', id, document}, or why it is refused, as accept does.
local kind, most, owner, most_own, trace, batch, keep = unpack(ARGV, 2, 8)
local answers = {}

local function accept_at(at, idempotency)
  local earlier = idempotency and redis.call('HGET', idempotency, 'job')
  local there = earlier and redis.call('HMGET', root .. 'job:' .. earlier, 'id', 'document')
  if there and there[1] then
    return { 'known', there[1], there[2] }
  end
  local refusal = no_room(kind, owner, most, most_own)
  if refusal then
    return refusal
  end
  look_at(ARGV[at])
  if redis.call('EXISTS', job) == 0 then -- else the script runs again, because its answer was lost
    local fields = { 'collection', ARGV[at + 2], 'inputs', ARGV[at + 3], 'document', ARGV[at + 4], 'batch', batch }
    for name, value in pairs({ trace = trace, owner = owner, idempotency = idempotency or '' }) do
      if value ~= '' then
        fields[#fields + 1], fields[#fields + 2] = name, value
      end
    end
    if idempotency then
      fields[#fields + 1], fields[#fields + 2] = 'digest', ARGV[at + 5]
      redis.call('HSET', idempotency, 'job', id, 'digest', ARGV[at + 5])
      expire(idempotency, keep)
    end
    record_new(kind, ARGV[at + 1], fields)
    list_in_batch()
  end
  return { 'new' }
end

for at = 9, #ARGV, 6 do
  answers[#answers + 1] = accept_at(at, KEYS[#answers + 2])
end
return answers
-- == advance ==
-- ARGV: id, token, stage, seconds, how much there is to do there, seconds until it is due, why it rests until then:
-- an error or '', and words or ''; then names and data of artefacts in turn
local stage = ARGV[3]
local step = ARGV[2] .. ':advance:' .. stage
local known = known_answer(step, ARGV[2])
if known then
  return known
end
local at = redis.call('HMGET', job, 'kind', 'stage', 'seen', 'held', 'lease', 't:' .. stage, 'failing_since')
end_lease()
count_attempt(at[2], at[3], at[4], at[5])
write_counts()
redis.call('HINCRBYFLOAT', job, 't:' .. at[2], ARGV[4])
redis.call('HSET', job, 'attempts', 0, 'closed', step, 'size', ARGV[5])
redis.call('HDEL', job, 'holder', 'error', 'emitted', 'solo', 'waits_for', 'failing_since')
if ARGV[7] ~= '' then
  redis.call('HSET', job, 'error', ARGV[7], 'failing_since', at[7] or now)
end
if ARGV[8] ~= '' then
  redis.call('HSET', job, 'waits_for', ARGV[8])
end
if stage == at[2] then
  redis.call('HSET', job, 'retries', 0) -- a slice of the stage is done
elseif at[6] then
  redis.call('HINCRBY', job, 'retries', 1) -- back to an earlier stage counts as a retry
end
for i = 9, #ARGV, 2 do
  redis.call('HSET', job .. ':artefacts', ARGV[i], ARGV[i + 1])
end
queue(stage, tonumber(ARGV[6]))
moved('running', 'queued', at[1])
state_event('queued', stage, 0)
return 1
-- == batch ==
-- KEYS: the batch. Its names and values in turn, and how many of its jobs have records.
return { redis.call('HGETALL', KEYS[1]), redis.call('ZCARD', KEYS[1] .. ':jobs') }
-- == batch_states ==
-- KEYS: the batch; ARGV: '', the rank of the first job to look at, and of the last.
-- Returns {id, state, …}; no state where there is no record.
local told = {}
for _, other in ipairs(redis.call('ZRANGE', KEYS[1] .. ':jobs', ARGV[2], ARGV[3])) do
  told[#told + 1] = other
  told[#told + 1] = redis.call('HGET', root .. 'job:' .. other, 'state')
end
return told
-- == begin_batch ==
-- KEYS: nothing of a job, idempotency; ARGV: '', id of a new batch, digest of the body, seconds to keep the key.
-- Returns {'new'}, {'mismatch'}, or {'known', id of the batch that an earlier submit with this key began}.
local at = redis.call('HMGET', KEYS[2], 'batch', 'digest')
if at[2] and at[2] ~= ARGV[3] then
  return { 'mismatch' }
end
if at[1] then
  return { 'known', at[1] }
end
redis.call('HSET', KEYS[2], 'batch', ARGV[2], 'digest', ARGV[3])
expire(KEYS[2], ARGV[4])
return { 'new' }
-- == cancel ==
-- ARGV: id, a token of this call alone, seconds that an attempt may go on, and the three times of ``keep``
local step = ARGV[2] .. ':cancel'
if repeated(step) then
  return { 'done', record_of(job, id) }
end
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'attempts')
if not at[1] then
  return { 'missing' }
end
if at[1] ~= 'queued' and at[1] ~= 'running' then
  return { 'over', record_of(job, id) }
end
redis.call('HSET', job, 'closed', step)
redis.call('HDEL', job, 'holder', 'error', 'emitted')
if at[1] == 'running' then
  redis.call('HSET', job, 'writes_until', seconds + ARGV[3])
end
ended(at[1], 'cancelled', at[2], at[3], { ARGV[4], ARGV[5], ARGV[6] })
state_event('cancelled', at[3], at[4])
all_told()
return { 'done', record_of(job, id) }
-- == close_batch ==
-- KEYS: the batch; ARGV: '', seconds to keep its key, then names and values in turn. Writes what is known once all of
-- its jobs are recorded. Returns 0 where none of them is any more.
if redis.call('EXISTS', KEYS[1] .. ':jobs') == 0 then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
local at = redis.call('HMGET', KEYS[1], 'idempotency', 'digest', 'id')
if at[1] and redis.call('EXISTS', at[1]) == 0 and tonumber(ARGV[2]) > 0 then -- lost with the records
  redis.call('HSET', at[1], 'batch', at[3], 'digest', at[2])
  expire(at[1], ARGV[2])
end
return 1
-- == coming ==
-- ARGV: '', collection. How many of its ingestions are not over.
return redis.call('ZCARD', coming(ARGV[2]))
-- == coming_of ==
-- ARGV: '', collection, document, how many. Ids of ingestions that bring the document and are not over.
local from = ARGV[3] .. '\31'
local found = redis.call('ZRANGE', coming(ARGV[2]), '[' .. from, '(' .. ARGV[3] .. '\32', 'BYLEX', 'LIMIT', 0, ARGV[4])
for i, each in ipairs(found) do
  found[i] = string.sub(each, #from + 1)
end
return found
-- == drop ==
-- ARGV: id, a token of this call alone, and the three times of ``keep``
local step = ARGV[2] .. ':drop'
if repeated(step) then
  return { 'done', record_of(job, id) }
end
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'attempts', 'finished_at')
if not at[1] then
  return { 'missing' }
end
if at[1] ~= 'dead' then
  return { 'unfit', record_of(job, id) }
end
redis.call('ZREM', root .. 'dead', id)
redis.call('HSET', job, 'closed', step)
redis.call('HDEL', job, 'reason')
ended('dead', 'failed', at[2], at[3], { ARGV[3], ARGV[4], ARGV[5] })
redis.call('HSET', job, 'finished_at', at[5])
state_event('failed', at[3], at[4])
all_told()
return { 'done', record_of(job, id) }
-- == due ==
-- ARGV: '', lease in seconds, the worker that asks or '', then for each stage its name and the seconds that a job
-- may wait for its entry in the journal or ''.
-- Returns {stage, id of its oldest due job} for each stage that has one, the longest waiting job first.
local found, most_owners, page = {}, 100, 20

-- The first job of a line whose entry in the journal is written, if it needs one, and since when it waits.
local function first_of(line, unkept)
  local jobs = redis.call('ZRANGE', line, 0, unkept and page - 1 or 0, 'WITHSCORES')
  for at = 1, #jobs, 2 do
    local since = tonumber(jobs[at + 1])
    if not unkept or since + unkept < seconds or redis.call('HEXISTS', root .. 'job:' .. jobs[at], 'kept') == 1 then
      return jobs[at], since
    end
  end
end

local stages = {}
for i = 4, #ARGV, 2 do
  stages[ARGV[i]] = true
end
requeue_abandoned(ARGV[3], stages)
for i = 4, #ARGV, 2 do
  local stage, oldest, since = ARGV[i], nil, nil
  find_overlooked(stage)
  line_up_due(stage, tonumber(ARGV[2]))
  local looked_at = 0
  while looked_at < most_owners do
    local owner = redis.call('ZRANGE', root .. 'turns:' .. stage, looked_at, looked_at)[1]
    if not owner then
      break
    end
    if not has_line(stage, owner) then
      -- All of its jobs were cancelled or expired. Many such owners would hide the jobs of the others.
      leave(stage, owner)
    else
      looked_at = looked_at + 1
      for _, batched in ipairs({ false, true }) do
        local first, waits_since = first_of(line_of(stage, owner, batched), tonumber(ARGV[i + 1]))
        if first and (not oldest or waits_since < since) then
          oldest, since = first, waits_since
        end
      end
    end
  end
  if oldest then
    found[#found + 1] = { stage, oldest, since }
  end
end
table.sort(found, function(a, b) return a[3] < b[3] end)
return found
-- == emit ==
-- ARGV: id, token, kind, data, a token of this event alone
if not holds(ARGV[2]) then
  return 0
end
if redis.call('HGET', job, 'emitted') ~= ARGV[5] then
  redis.call('HSET', job, 'emitted', ARGV[5])
  event(ARGV[3], ARGV[4])
end
return 1
-- == expire ==
-- ARGV: id, a token of this call alone, error, and the three times of ``keep``
local step = ARGV[2] .. ':expire'
if repeated(step) then
  return 1
end
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'attempts', 'due')
if at[1] ~= 'queued' or not at[5] or tonumber(at[5]) > seconds then
  return 0
end
redis.call('HSET', job, 'closed', step, 'error', ARGV[3])
redis.call('HDEL', job, 'emitted')
ended('queued', 'failed', at[2], at[3], { ARGV[4], ARGV[5], ARGV[6] })
state_event('failed', at[3], at[4])
event('error', ARGV[3])
all_told()
return 1
-- == expired ==
-- KEYS: nothing of a job; ARGV: '', limit
local deadlines, limit = root .. 'deadlines', tonumber(ARGV[2])
local found = {}
for _, other in ipairs(redis.call('ZRANGE', deadlines, '-inf', now, 'BYSCORE')) do
  local key = root .. 'job:' .. other
  local state = redis.call('HGET', key, 'state')
  if not state then
    redis.call('ZREM', deadlines, other)
  elseif state == 'queued' and #found < limit then
    found[#found + 1] = record_of(key, other)
  end
end
return found
-- == extend ==
-- ARGV: id, token, lease in seconds, seconds after which it is extended no more
-- The time between two calls counts at most as much as a lease, so that a jump of the clock does no harm.
if not holds(ARGV[2]) then
  return 0
end
local lease = tonumber(ARGV[3])
local at = redis.call('HMGET', job, 'seen', 'held')
local passed = math.max(0, math.min(lease, seconds - (at[1] or now)))
local held = (at[2] or 0) + passed
if held > tonumber(ARGV[4]) then
  redis.call('ZADD', root .. 'leases', now, id)
  return 0
end
redis.call('HSET', job, 'lease', lease, 'seen', now, 'held', held)
redis.call('HDEL', job, 'lapsed')
redis.call('ZADD', root .. 'leases', seconds + lease, id)
return 1
-- == figures ==
-- KEYS: the waiting jobs of each stage; ARGV: '', how many dead letters to look at, kinds …
-- Returns {open jobs of each kind, seconds that the first of each stage has waited, {reason, count, …}}.
local open, waited, dead, reasons = {}, {}, {}, {}

for i = 3, #ARGV do
  open[#open + 1] = redis.call('ZCARD', root .. 'jobs:queued:' .. ARGV[i])
    + redis.call('ZCARD', root .. 'jobs:running:' .. ARGV[i])
end
for i, waiting in ipairs(KEYS) do
  local first = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
  waited[i] = string.format('%.3f', first[2] and math.max(0, seconds - first[2]) or 0)
end

local newest = redis.call('ZRANGE', root .. 'dead', 0, ARGV[2] - 1, 'REV')
for _, other in ipairs(newest) do
  local reason = redis.call('HGET', root .. 'job:' .. other, 'reason') or 'unknown'
  dead[reason] = (dead[reason] or 0) + 1
end
local others = redis.call('ZCARD', root .. 'dead') - #newest
if others > 0 then
  dead['older'] = others
end
for reason, count in pairs(dead) do
  reasons[#reasons + 1] = reason
  reasons[#reasons + 1] = count
end
return { open, waited, reasons }
-- == finish ==
-- ARGV: id, token, state, seconds, result, error, and the three times of ``keep``; '' is none. Then fields of
-- the statistics and what each grows by, in turn. Returns 1, or the record of a job that succeeded, which nothing
-- changes any more; 0 when the lease is lost.
local state, result, error = ARGV[3], ARGV[5], ARGV[6]
local step = ARGV[2] .. ':finish:' .. state
local known = known_answer(step, ARGV[2])
if known then
  return known
end
local at = redis.call('HMGET', job, 'kind', 'stage', 'attempts', 'error', 'seen', 'held', 'lease', 'created_at')
if state ~= 'succeeded' and error == '' then
  error = at[4] or '' -- the error of the attempt before
end
redis.call('HINCRBYFLOAT', job, 't:' .. at[2], ARGV[4])
redis.call('HSET', job, 'closed', step)
redis.call('HDEL', job, 'holder', 'error', 'emitted')
if state == 'dead' and error ~= '' then
  redis.call('HSET', job, 'reason', code_of(error))
end
count_attempt(at[2], at[5], at[6], at[7])
if state == 'succeeded' then
  observe('job:' .. at[1], math.max(0, seconds - at[8]), job_limits)
end
for i = 10, #ARGV, 2 do
  count(ARGV[i], tonumber(ARGV[i + 1]))
end
ended('running', state, at[1], at[2], { ARGV[7], ARGV[8], ARGV[9] })
state_event(state, at[2], at[3])
if result ~= '' then
  redis.call('HSET', job, 'result', result)
  event('result', 'null') -- the record has the result itself
end
if error ~= '' then
  redis.call('HSET', job, 'error', error)
  event('error', error)
end
all_told()
if state == 'succeeded' then
  redis.call('UNLINK', job .. ':artefacts')
  return record_of(job, id)
end
return 1
-- == flow ==
-- KEYS: nothing of a job [, idempotency]; ARGV: '', kind, owner, most jobs of the kind, most of them that the owner
-- may have open; '' is none. Returns why accept would refuse such a job, or false.
local known = KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1
return not known and no_room(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
-- == get ==
-- ARGV: id, as for within
return within(job, 2) and record_of(job, id)
-- == keep ==
-- ARGV: id. Notes that the job has its entry in the journal. Returns 0 when the record is gone.
return redis.call('EXISTS', job) == 1 and redis.call('HSET', job, 'kept', 1) + 1 or 0
-- == keep_all ==
-- ARGV: '', ids. As keep, of many jobs. Returns how many of their records are gone.
local gone = 0
for i = 2, #ARGV do
  local key = root .. 'job:' .. ARGV[i]
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'kept', 1)
  else
    gone = gone + 1
  end
end
return gone
-- == move ==
-- ARGV: id, inputs as they are, inputs as they are to be, the stage of a new start
-- Lets a job that has not succeeded begin again with other inputs; one that is over, when it is retried.
-- Returns 1, or 0 when the inputs have changed, or the job has succeeded.
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'inputs')
local state, kind, stage = at[1], at[2], at[3]
if not state or state == 'succeeded' or at[4] ~= ARGV[2] then
  return 0
end
redis.call('HSET', job, 'inputs', ARGV[3])
if state ~= 'queued' and state ~= 'running' then
  redis.call('HSET', job, 'restart', ARGV[4])
  return 1
end
unqueue(stage)
end_lease()
redis.call('HSET', job, 'attempts', 0, 'closed', ARGV[4] .. ':moved')
redis.call('HINCRBY', job, 'token', 1) -- an attempt that still runs can write nothing more
redis.call('HDEL', job, 'holder', 'error', 'solo', 'failing_since', 'waits_for')
queue(ARGV[4])
moved(state, 'queued', kind)
state_event('queued', ARGV[4], 0)
return 1
-- == news ==
-- KEYS: nothing of a job; ARGV: '', the length of the longest result to tell, and of each job its id and the
-- id of the last event that was heard of it, or ''.
-- Returns {id, state, entries, 1 if there is a stream, else 0, result} of each job that has new events or is over;
-- the state is false where there is no record, the result where there is none, and '' where it is too long.
local told = {}
for i = 3, #ARGV, 2 do
  local key, heard = root .. 'job:' .. ARGV[i], ARGV[i + 1]
  local events = key .. ':events'
  local state = redis.call('HGET', key, 'state')
  local entries = redis.call('XRANGE', events, heard == '' and '-' or '(' .. heard, '+')
  if #entries > 0 or (state ~= 'queued' and state ~= 'running') then
    local length = redis.call('HSTRLEN', key, 'result')
    local result = length > tonumber(ARGV[2]) and '' or redis.call('HGET', key, 'result')
    told[#told + 1] = { ARGV[i], state, entries, redis.call('EXISTS', events), result }
  end
end
return told
-- == others ==
-- KEYS: nothing of a job; ARGV: '', owner, stages. Whether a job of another owner is due at one of the stages.
for i = 3, #ARGV do
  for _, other in ipairs(redis.call('ZRANGE', root .. 'turns:' .. ARGV[i], 0, -1)) do
    if other ~= ARGV[2] and has_line(ARGV[i], other) then
      return 1
    end
  end
end
return 0
-- == page ==
-- KEYS: the indexes to merge; ARGV: '', cursor or '', limit, how many to look at, how many bytes to read,
-- reason or '', ',STATE,STATE,' or '', ',KIND,' or '', as for within
-- Returns {records, cursor or false, bytes that are left, negative where the next record was too large}; a
-- page may be short when few jobs are of the kind asked for, or they are large. The first record is always read.
local cursor, limit, looks, room = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local reason, states, kinds = ARGV[6], ARGV[7], ARGV[8]
local ids = {}
for _, index in ipairs(KEYS) do
  local from = cursor == '' and '+' or '(' .. cursor
  for _, other in ipairs(redis.call('ZRANGE', index, from, '-', 'BYLEX', 'REV', 'LIMIT', 0, looks)) do
    ids[#ids + 1] = other
  end
end
table.sort(ids, function(a, b) return a > b end)

local function among(words, word)
  return words == '' or (word and string.find(words, ',' .. word .. ',', 1, true))
end

local function fits(key)
  local at = redis.call('HMGET', key, 'reason', 'state', 'kind')
  return (reason == '' or at[1] == reason) and among(states, at[2]) and among(kinds, at[3]) and within(key, 9)
end

local function size_of(key)
  local bytes = 1000
  for _, field in ipairs({ 'result', 'inputs', 'error' }) do
    bytes = bytes + redis.call('HSTRLEN', key, field)
  end
  return bytes
end

local records, last = {}, nil
for i = 1, math.min(#ids, looks - 1) do
  if #records == limit then
    break
  end
  local key = root .. 'job:' .. ids[i]
  if fits(key) then
    room = room - size_of(key)
    if room < 0 and #records > 0 then
      break
    end
    records[#records + 1] = record_of(key, ids[i])
  end
  last = i
end
return { records, last ~= nil and last < #ids and ids[last], room }
-- == ping ==
-- Answers only if the fence lets it: if the records are intact.
return 1
-- == progress ==
-- ARGV: id, token, done, total
if not holds(ARGV[2]) then
  return 0
end
local at = redis.call('HMGET', job, 'done', 'total')
if at[1] ~= ARGV[3] or at[2] ~= ARGV[4] then
  redis.call('HSET', job, 'done', ARGV[3], 'total', ARGV[4])
  event('progress', '{"done":' .. ARGV[3] .. ',"total":' .. ARGV[4] .. '}')
end
return 1
-- == prune ==
-- KEYS: nothing of a job; ARGV: '', 'finished' or 'dead', ended before, most to keep, limit
-- Returns the records as they were, without their results.
local set, before, limit = root .. ARGV[2], tonumber(ARGV[3]), ARGV[5]
local surplus = redis.call('ZCARD', set) - ARGV[4]
local oldest = redis.call('ZRANGE', set, 0, limit - 1, 'WITHSCORES')
local records = {}

local function forget(other, fields)
  local key = root .. 'job:' .. other
  -- A record that expired does not tell any more in which lists it is.
  unlist(other, fields[1] and lists_of(unpack(fields, 1, 3)) or redis.call('SMEMBERS', root .. 'lists'))
  unlist_about(other, fields[2], fields[4])
  unlist_in_batch(fields[5], other)
  redis.call('UNLINK', key, key .. ':events', key .. ':artefacts')
  redis.call('ZREM', set, other)
  redis.call('ZREM', root .. 'remains', other)
  for _, state in ipairs({ 'succeeded', 'failed', 'cancelled', 'dead' }) do
    for _, kind in ipairs(fields[1] and { fields[1] } or { 'ingest', 'query', 'delete' }) do
      redis.call('ZREM', root .. 'jobs:' .. state .. ':' .. kind, other)
    end
  end
end

for i = 1, #oldest, 2 do
  if tonumber(oldest[i + 1]) >= before and surplus <= 0 then
    break
  end
  surplus = surplus - 1
  local key = root .. 'job:' .. oldest[i]
  redis.call('HDEL', key, 'result')
  records[#records + 1] = record_of(key, oldest[i]) or nil
  forget(oldest[i], redis.call('HMGET', key, 'kind', 'collection', 'owner', 'document', 'batch'))
end
return records
-- == put_artefact ==
-- ARGV: id, token, name, data
if not holds(ARGV[2]) then
  return 0
end
redis.call('HSET', job .. ':artefacts', ARGV[3], ARGV[4])
return 1
-- == records ==
-- KEYS: nothing of a job; ARGV: '', ids. Names and values of each record in turn, none where it is gone.
local records = {}
for i = 2, #ARGV do
  records[#records + 1] = redis.call('HGETALL', root .. 'job:' .. ARGV[i])
end
return records
-- == release ==
-- ARGV: id, token, 1 if the next attempt must be made alone, else 0. Undoes the beginning of this attempt.
local step = ARGV[2] .. ':release'
local known = known_answer(step, ARGV[2])
if known then
  return known
end
local attempts = redis.call('HINCRBY', job, 'attempts', -1)
if attempts > 0 then
  redis.call('HINCRBY', job, 'retries', -1)
end
return requeue(step, attempts, nil, nil, ARGV[3] == '1')
-- == remains ==
-- KEYS: nothing of a job; ARGV: '', limit
local remains = root .. 'remains'
local found = {}
for _, other in ipairs(redis.call('ZRANGE', remains, '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])) do
  local record = record_of(root .. 'job:' .. other, other)
  if record then
    found[#found + 1] = record
  else
    redis.call('ZREM', remains, other)
  end
end
return found
-- == repeated ==
-- KEYS: nothing of a job, idempotency; ARGV: '', digest
return earlier_with(KEYS[2], ARGV[2])
-- == requeue ==
-- ARGV: id, token, error, seconds until the next attempt, 1 for an attempt that counts or 0
local step = ARGV[2] .. ':requeue'
local known = known_answer(step, ARGV[2])
if known then
  return known
end
redis.call('HSET', job, 'error', ARGV[3])
redis.call('HSETNX', job, 'failing_since', now)
local at = redis.call('HMGET', job, 'attempts', 'stage', 'seen', 'held', 'lease')
local attempts = tonumber(at[1])
count_attempt(at[2], at[3], at[4], at[5])
count('retry:' .. at[2] .. ':' .. code_of(ARGV[3]), 1)
if ARGV[5] == '0' then
  attempts = redis.call('HINCRBY', job, 'attempts', -1)
  if attempts > 0 then
    redis.call('HINCRBY', job, 'retries', -1)
  end
end
return requeue(step, attempts, tonumber(ARGV[4]), ARGV[3])
-- == restore ==
-- ARGV: id, the stage of a new start, seconds to keep the record of a job that is over, seconds to
-- remember its Idempotency-Key, then names and values of the record in turn.
-- Returns 1, or 0 when there is a record already.
if redis.call('EXISTS', job) == 1 then
  return 0
end
redis.call('HSET', job, unpack(ARGV, 5))
local at = redis.call('HMGET', job, 'kind', 'created_at', 'idempotency', 'digest', 'state', 'due')
local kind, created_at, idempotency, state = at[1], at[2], at[3], at[5]

local function left(span, since)
  return math.max(1, tonumber(span) - (seconds - since))
end

-- The artefacts of its stages were lost with the records, so a retry begins at the first one.
local function over()
  local finished_at = redis.call('HGET', job, 'finished_at')
  redis.call('HSET', job, 'restart', ARGV[2])
  redis.call('ZADD', root .. (state == 'dead' and 'dead' or 'finished'), finished_at, id)
  if kind == 'ingest' and (state == 'failed' or state == 'cancelled') then
    redis.call('ZADD', root .. 'remains', finished_at, id)
  end
  expire(job, left(ARGV[3], finished_at))
end

-- An attempt from before the loss may still hold a token, and may have written points. A token made
-- from the clock is above all earlier ones. The job keeps its place in the queue, and it has its entry in the
-- journal already.
local function again()
  redis.call('HSET', job, 'kept', 1, 'attempts', 0, 'token', clock[1] .. string.format('%06d', clock[2]))
  if kind == 'ingest' then
    redis.call('HSET', job, 't:index', 0)
  end
  queue(ARGV[2])
  redis.call('HSET', job, 'queued_at', created_at)
  redis.call('ZADD', root .. 'waiting:' .. ARGV[2], created_at, id)
  line_up(ARGV[2], id, created_at)
  if at[6] then
    redis.call('ZADD', root .. 'deadlines', at[6], id)
  end
  state_event('queued', ARGV[2], 0)
end

if idempotency and redis.call('EXISTS', idempotency) == 0 then
  redis.call('HSET', idempotency, 'job', id, 'digest', at[4])
  expire(idempotency, left(ARGV[4], created_at))
end
if state then
  over()
else
  again()
end
moved(nil, state or 'queued', kind)
list_in_batch(true)
if state then
  keep_lists_about(redis.call('PTTL', job) / 1000)
  local batch = batch_of(job)
  if batch ~= '' then
    keep_batch(batch, redis.call('PTTL', job) / 1000)
  end
end
return 1
-- == retry ==
-- ARGV: id, a token of this call alone, the time by the caller's clock, most jobs of a kind that its owner may
-- have open or '', then kinds and how many of each may be open. {'full' or 'share', ..., kind}: there is no room.
-- A deadline is moved, so that the new run gets as much time as the first one had. The time between the end of
-- the last run and the beginning of the new one does not count.
local step = ARGV[2] .. ':retry'
if repeated(step) then
  return { 'done', record_of(job, id) }
end
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'deadline', 'lifetime', 'created_at', 'tidied_until')
if not at[1] then
  return { 'missing' }
end
if at[1] ~= 'failed' and at[1] ~= 'dead' and at[1] ~= 'cancelled' then
  return { 'unfit', record_of(job, id) }
end
local left = (at[7] or 0) - seconds
if left > 0 and left <= longest_delay then
  return { 'tidied', record_of(job, id) }
end
for i = 5, #ARGV, 2 do
  local refusal = ARGV[i] == at[2] and no_room(at[2], owner_of(job), ARGV[i + 1], ARGV[4])
  if refusal then
    refusal[5] = at[2]
    return refusal
  end
end
local batch = root .. 'bulk:' .. batch_of(job)
for _, key in ipairs({ job, job .. ':events', job .. ':artefacts', batch, batch .. ':jobs' }) do
  redis.call('PERSIST', key)
end
for _, set in ipairs({ 'finished', 'dead', 'remains' }) do
  redis.call('ZREM', root .. set, id)
end
redis.call('HDEL', job, 'started_at', 'finished_at', 'error', 'result', 'done', 'total', 'reason', 'writes_until', 'solo')
redis.call('HDEL', job, 'tidied_until', 'failing_since', 'waits_for')
redis.call('HSET', job, 'attempts', 0, 'retries', 0, 'closed', step)
if at[4] then
  local lifetime = at[5] or math.max(1, at[4] - at[6])
  redis.call('HSET', job, 'deadline', string.format('%.6f', ARGV[3] + lifetime))
  due_in(lifetime)
end
local stage = redis.call('HGET', job, 'restart') or at[3] -- set where the artefacts were lost with the records
redis.call('HDEL', job, 'restart')
queue(stage)
moved(at[1], 'queued', at[2])
state_event('queued', stage, 0)
return { 'done', record_of(job, id) }
-- == stages ==
-- KEYS: nothing of a job; ARGV: '', stages. For each {jobs that are queued there, jobs that could be worked now, jobs
-- under a lease that lasts, seconds that the first of those that could be worked has waited}. A running job whose
-- lease is over could be worked by another worker; a queued one that rests until later could not.
-- It takes as long as there are stages, running jobs and jobs that rest.
local looks, latest = 500, seconds + longest_delay + slack
local running, lost, lost_since = {}, {}, {}

local function sort_by_lease(other, till)
  local at = redis.call('HMGET', root .. 'job:' .. other, 'state', 'stage', 'token', 'lapsed', 'lease')
  local stage = at[2]
  if at[1] ~= 'running' then
    return
  end
  if at[4] ~= at[3] and lasts(till, at[5]) then
    running[stage] = (running[stage] or 0) + 1
  else
    lost[stage], lost_since[stage] = (lost[stage] or 0) + 1, math.min(lost_since[stage] or seconds, till)
  end
end

local function rests(stage, other)
  local till = tonumber(redis.call('ZSCORE', root .. 'resting:' .. stage, other) or 0)
  return till > seconds and till <= latest
end

-- Since when the oldest queued job that does not rest waits. No more jobs can be before it than rest; where those
-- are very many, the last one looked at counts for it.
local function waits_since(stage, resting)
  local oldest, since = redis.call('ZRANGE', root .. 'waiting:' .. stage, 0, math.min(resting, looks), 'WITHSCORES'), nil
  for i = 1, #oldest, 2 do
    since = tonumber(oldest[i + 1])
    if not rests(stage, oldest[i]) then
      break
    end
  end
  return since
end

local function figures_of(stage)
  local queued = redis.call('ZCARD', root .. 'waiting:' .. stage)
  local resting = redis.call('ZCOUNT', root .. 'resting:' .. stage, '(' .. now, latest)
  local since = lost_since[stage] or seconds
  if queued > resting then
    since = math.min(since, waits_since(stage, resting) or since)
  end
  local waited = string.format('%.3f', seconds - since)
  return { queued, math.max(0, queued - resting) + (lost[stage] or 0), running[stage] or 0, waited }
end

local leases = redis.call('ZRANGE', root .. 'leases', 0, -1, 'WITHSCORES')
for i = 1, #leases, 2 do
  sort_by_lease(leases[i], tonumber(leases[i + 1]))
end
local found = {}
for i = 2, #ARGV do
  found[#found + 1] = figures_of(ARGV[i])
end
return found
-- == states ==
-- ARGV: '', ids. The state of each, false where there is no record.
local states = {}
for i = 2, #ARGV do
  states[#states + 1] = redis.call('HGET', root .. 'job:' .. ARGV[i], 'state')
end
return states
-- == take ==
-- ARGV: '', stage, lease in seconds, a token of this call alone, the worker or '', most jobs,
-- most that they may be in size, seconds that a job may wait for its entry in the journal or ''.
-- Returns {records of the jobs begun, id of the first one left or false}.
local stage, lease, token, worker = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5] .. ':'
local most, room, unkept = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local batch, turns = root .. 'batch:' .. ARGV[5], root .. 'turns:' .. stage
local looks, page, deep = 500, 20, 100
local taken, records, left = {}, {}, false

-- Begin the queued job ``other`` for this call.
local function begin(other)
  look_at(other)
  local at = redis.call('HMGET', job, 'kind', 'queued_at', 'owner', 'size', 'ready_at')
  unqueue(stage)
  local ready_at = math.max(at[2], at[5] or 0) -- that of an earlier pause lies before
  observe('wait:' .. stage, math.max(0, seconds - ready_at), stage_limits)
  count_turn(stage, at[3] or '', at[4])
  redis.call('ZADD', root .. 'leases', seconds + lease, id)
  redis.call('HSETNX', job, 'started_at', now)
  redis.call('HSET', job, 'state', 'running', 'holder', worker .. token, 'lease', lease, 'seen', now, 'held', 0)
  redis.call('HINCRBY', job, 'token', 1)
  local attempts = redis.call('HINCRBY', job, 'attempts', 1)
  if attempts > 1 then
    redis.call('HINCRBY', job, 'retries', 1)
  end
  redis.call('HINCRBYFLOAT', job, 't:queue', math.max(0, seconds - at[2]))
  moved('queued', 'running', at[1])
  state_event('running', stage, attempts)
  taken[#taken + 1], records[#records + 1] = other, record_of(job, id)
end

-- due: the job may be begun; fresh: others may be begun beside it; gone: it is not queued here any more.
-- A job whose entry in the journal is not written yet may still be undone, so it is not due.
local known = {}
local function look(other)
  if not known[other] then
    looks = looks - 1
    local at = redis.call('HMGET', root .. 'job:' .. other,
      'state', 'stage', 'attempts', 'size', 'kept', 'queued_at', 'solo')
    local queued = at[1] == 'queued' and at[2] == stage
    local due = queued and (not unkept or at[5] or at[6] + unkept < seconds)
    known[other] = {
      due = due, fresh = due and tonumber(at[3]) == 0 and not at[7], size = tonumber(at[4] or 1), gone = not queued,
    }
  end
  return known[other]
end

-- The first job of a line that may be begun, and whether the line has none at all. ``beside`` other jobs, only a job
-- that was never begun at this stage and that fits into the rest of the batch.
local function first_in(line, beside)
  local place, ids = 0, nil
  repeat
    ids = redis.call('ZRANGE', line, place, place + page - 1)
    for _, other in ipairs(ids) do
      local its = look(other)
      if its.due and (not beside or its.fresh and its.size <= room) then
        return other
      end
      if its.gone then
        redis.call('ZREM', line, other)
      elseif beside and its.fresh then
        left = left or other
      end
    end
    place = place + page
  until #ids < page or looks <= 0 or beside and place >= deep
  return nil, place == page and #ids == 0
end

-- The same of an owner, whose jobs of batches and other jobs take turns; and which of them it is of, where there are both:
-- '1' for batches.
local function first_of(owner, beside)
  if redis.call('EXISTS', line_of(stage, owner, true)) == 0 then
    return first_in(line_of(stage, owner), beside)
  end
  local batched = redis.call('HGET', root .. 'sides:' .. stage, owner) == '0'
  local other, empty = first_in(line_of(stage, owner, batched), beside)
  if other or looks <= 0 then
    return other, false, batched and '1' or '0'
  end
  local another, also_empty = first_in(line_of(stage, owner, not batched), beside)
  return another, empty and also_empty, batched and '0' or '1'
end

-- The first job, by turns, that may be begun, its owner, and the side of the owner's that it is of. ``beside``: as above.
local function next_up(beside)
  local from = 0
  while looks > 0 do
    local owner = redis.call('ZRANGE', turns, from, from)[1]
    if not owner then
      return false
    end
    local other, empty, side = first_of(owner, beside)
    if other then
      return other, owner, side
    end
    if empty then
      leave(stage, owner)
    else
      from = from + 1
    end
  end
  return false
end

local function had(owner)
  return tonumber(redis.call('ZSCORE', turns, owner) or last_turn(stage))
end

-- Begin a job of ``owner``, whose turn it is.
local function have_turn(other, owner, side)
  local before = had(owner)
  begin(other)
  if side then
    redis.call('HSET', root .. 'sides:' .. stage, owner, side)
  end
  if before > last_turn(stage) then
    redis.call('SET', root .. 'turn:' .. stage, string.format('%.17g', before))
    redis.call('ZREMRANGEBYSCORE', root .. 'absent:' .. stage, '-inf', before)
  end
end

local before = redis.call('LRANGE', batch, 0, -1)
if before[1] == token then -- the script runs again, because this call's answer was lost
  for i = 2, #before do
    look_at(before[i])
    if redis.call('HGET', job, 'holder') == worker .. token then
      records[#records + 1] = record_of(job, id)
    end
  end
  return { records, false }
end
requeue_abandoned(ARGV[5], { [stage] = true })
redis.call('DEL', batch)
line_up_due(stage, lease)

local first, whose, side = next_up(false)
if first then
  have_turn(first, whose, side)
  most, room = known[first].fresh and most - 1 or 0, room - known[first].size
end
while first and most > 0 do
  local other, owner, its_side = next_up(true)
  if not other then
    break
  end
  have_turn(other, owner, its_side)
  most, room = most - 1, room - known[other].size
end
left = left or first and next_up(false)
write_counts()

if #taken > 0 and worker ~= ':' then
  redis.call('RPUSH', batch, token, unpack(taken))
  expire(batch, 86400)
end
return { records, left }
-- == tidied ==
-- ARGV: id, token of the attempt that writes no more or ''
-- If another attempt may still write, the job is checked again when the time of that attempt is over.
redis.call('ZREM', root .. 'remains', id)
local at = redis.call('HMGET', job, 'state', 'token', 'writes_until')
if not at[1] then
  return 0
end
if at[3] and at[2] ~= ARGV[2] and tonumber(at[3]) > seconds then
  redis.call('ZADD', root .. 'remains', at[3], id)
else
  redis.call('HDEL', job, 'writes_until')
end
redis.call('HDEL', job, 'tidied_until')
return 1
-- == tidy ==
-- ARGV: id, seconds during which the job cannot be retried. False when it is not over, or dead.
local state = redis.call('HGET', job, 'state')
if state ~= 'succeeded' and state ~= 'failed' and state ~= 'cancelled' then
  redis.call('ZREM', root .. 'remains', id)
  return false
end
redis.call('HSET', job, 'tidied_until', seconds + ARGV[2])
return record_of(job, id)
-- == undo ==
-- ARGV: id. Removes a job that was promised to no caller, not even to one that repeated the submit.
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'kept', 'idempotency', 'collection')
if at[1] ~= 'queued' or at[4] then
  return 0
end
unqueue(at[3])
redis.call('ZREM', root .. 'deadlines', id)
redis.call('ZREM', root .. 'jobs:queued:' .. at[2], id)
note_open(false, at[2])
unlist(id, lists_of(at[2], at[6], owner_of(job)))
unlist_about(id, at[6], document_of(job))
unlist_in_batch(batch_of(job), id)
if at[5] and redis.call('HGET', at[5], 'job') == id then
  redis.call('UNLINK', at[5])
end
redis.call('UNLINK', job, job .. ':events', job .. ':artefacts')
return 1
-- == visible ==
-- KEYS: records of jobs; ARGV: '', as for within. 1 for each that is there and within, else 0.
local found = {}
for i, key in ipairs(KEYS) do
  found[i] = within(key, 2) and 1 or 0
end
return found
-- == waiting ==
-- KEYS: nothing of a job; ARGV: '', how many of each, stages. The records of the jobs that have been queued longest at
-- each stage, and of the running ones whose leases end first.
local found = {}

local function add(others)
  for _, other in ipairs(others) do
    found[#found + 1] = record_of(root .. 'job:' .. other, other) or nil
  end
end

for i = 3, #ARGV do
  add(redis.call('ZRANGE', root .. 'waiting:' .. ARGV[i], 0, ARGV[2] - 1))
end
add(redis.call('ZRANGE', root .. 'leases', 0, ARGV[2] - 1))
return found
-- == worked ==
-- KEYS: nothing of a job; ARGV: '', how many minutes to look back
-- Returns {the time, {minute since 1970, names and values of its hash in turn} …}, the present minute first.
local minute, found = math.floor(seconds / 60), { now }
for back = 0, ARGV[2] - 1 do
  found[#found + 1] = { minute - back, redis.call('HGETALL', root .. 'worked:' .. minute - back) }
end
return found
