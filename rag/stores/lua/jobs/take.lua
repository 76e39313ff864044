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
  local at = redis.call('HMGET', job, 'kind', 'queued_at', 'owner', 'size')
  unqueue(stage)
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

-- An owner has no job in line any more.
local function leave(owner)
  redis.call('ZADD', root .. 'absent:' .. stage, redis.call('ZSCORE', turns, owner), owner)
  redis.call('ZREM', turns, owner)
end

-- The first job, by turns, that may be begun, and its owner. ``beside`` other jobs, only a job that was never
-- begun at this stage and that fits into the rest of the batch.
local function next_up(beside)
  local from = 0
  while looks > 0 do
    local owner = redis.call('ZRANGE', turns, from, from)[1]
    if not owner then
      return false
    end
    local line, place, ids = line_of(stage, owner), 0, nil
    repeat
      ids = redis.call('ZRANGE', line, place, place + page - 1)
      for _, other in ipairs(ids) do
        local its = look(other)
        if its.due and (not beside or its.fresh and its.size <= room) then
          return other, owner
        end
        if its.gone then
          redis.call('ZREM', line, other)
        elseif beside and its.fresh then
          left = left or other
        end
      end
      place = place + page
    until #ids < page or looks <= 0 or beside and place >= deep
    if place == page and #ids == 0 then
      leave(owner)
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
local function have_turn(other, owner)
  local before = had(owner)
  begin(other)
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

local first, whose = next_up(false)
if first then
  have_turn(first, whose)
  most, room = known[first].fresh and most - 1 or 0, room - known[first].size
end
while first and most > 0 do
  local other, owner = next_up(true)
  if not other then
    break
  end
  have_turn(other, owner)
  most, room = most - 1, room - known[other].size
end
left = left or first and next_up(false)

if #taken > 0 and worker ~= ':' then
  redis.call('RPUSH', batch, token, unpack(taken))
  expire(batch, 86400)
end
return { records, left }
