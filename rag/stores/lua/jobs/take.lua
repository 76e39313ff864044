-- ARGV: id or '', stage, lease in seconds, a word that only this call has, the worker or '', most jobs,
-- most that they may be in size, seconds that a job may wait for its entry in the journal or '', how often
-- the job had been begun at the stage when its message was sent, or ''.
-- Returns {records of the jobs begun, of the first one left or false, of those given back, of the one
-- named if its message was used for another that has none of its own, or false}.
local stage, lease, word, worker = ARGV[2], ARGV[3], ARGV[4], ARGV[5] .. ':'
local most, room, unkept = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local waiting, apart, company = root .. 'waiting:' .. stage, root .. 'apart:' .. stage, root .. 'company:' .. ARGV[5]
local turns, resting = root .. 'turns:' .. stage, root .. 'resting:' .. stage
local looks, page, deep = 500, 20, 100
local patience = 30 -- seconds after which the job of an owner that has waited longest goes before the one named
local named, taken, records, freed, left = ARGV[1], {}, {}, {}, false

local function at_hand(other)
  job, id = root .. 'job:' .. other, other
end

local function begin(other)
  at_hand(other)
  local record = begun(stage, lease, word, worker)
  if record then
    taken[#taken + 1], records[#records + 1] = other, record
  end
  return record
end

-- What a call of the same worker began, and its child did not live to end.
local function give_back(other)
  at_hand(other)
  local at = redis.call('HMGET', job, 'state', 'stage', 'holder', 'attempts')
  if at[1] == 'running' and at[2] == stage and bereft(worker, at[3]) then
    given_back(at[3] .. ':bereft', at[4])
    freed[#freed + 1] = record_of(job, id)
  end
end

-- Whether a job may be begun, whether it was never begun at this stage and needs no message of its own, its
-- size, and when it was queued. One whose entry in the journal is not written yet is promised to nobody.
local known = {}
local function look(other)
  if not known[other] then
    looks = looks - 1
    local at = redis.call('HMGET', root .. 'job:' .. other, 'state', 'stage', 'attempts', 'size', 'kept', 'queued_at')
    local due = at[1] == 'queued' and at[2] == stage
    local promised = due and (not unkept or at[5] or other == named or at[6] + unkept < seconds)
    local sociable = due and tonumber(at[3]) == 0 and not redis.call('ZSCORE', apart, other)
    known[other] = {
      due = promised, fresh = promised and sociable, size = tonumber(at[4] or 1), since = tonumber(at[6] or 0),
      gone = not due,
    }
  end
  return known[other]
end

-- Whether the job was begun since its message was sent, and rests until it may be again: then that was a
-- hint, and a message of its own comes when it is due.
local function rests(other)
  local at = redis.call('HMGET', root .. 'job:' .. other, 'state', 'attempts')
  return ARGV[9] ~= '' and at[1] == 'queued' and tonumber(at[2]) > tonumber(ARGV[9]) and not silent(other, seconds)
end

-- Whose pause is over waits as before.
local function wake()
  local over = redis.call('ZRANGE', resting, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  local ahead = redis.call('ZRANGE', resting, seconds + longest_delay + slack, '+inf', 'BYSCORE', 'LIMIT', 0, 100)
  for _, others in ipairs({ over, ahead }) do
    for _, other in ipairs(others) do
      redis.call('ZREM', resting, other)
      line_up(stage, other, redis.call('HGET', root .. 'job:' .. other, 'queued_at') or now)
    end
  end
end

-- Jobs that wait in no line are from before there were any.
local function adopt()
  for _, other in ipairs(redis.call('ZRANGE', waiting, 0, looks - 1)) do
    if not redis.call('ZSCORE', resting, other) then
      line_up(stage, other, redis.call('ZSCORE', waiting, other))
    end
  end
end

-- An owner has nobody in line any more.
local function leave(owner)
  redis.call('ZADD', root .. 'absent:' .. stage, redis.call('ZSCORE', turns, owner), owner)
  redis.call('ZREM', turns, owner)
end

-- The first job, by turns, that may be begun: beside others only one that was never begun here, and that
-- they have room for. Then its owner, too.
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
  local record = begin(other)
  if record and before > last_turn(stage) then
    redis.call('SET', root .. 'turn:' .. stage, string.format('%.17g', before))
    redis.call('ZREMRANGEBYSCORE', root .. 'absent:' .. stage, '-inf', before)
  end
  return record
end

-- Begin the job that is named if it is its owner's turn, and no other of the owner has lost patience, else
-- the one whose turn it is. A running one is begun where nobody alive holds it.
local function begin_first()
  local at = redis.call('HMGET', root .. 'job:' .. named, 'state', 'owner')
  local owner = at[2] or ''
  if named ~= '' and at[1] == 'running' and begin(named) then
    return named
  end
  local wanted = at[1] == 'queued' and not rests(named) and look(named).due
  local other, whose = next_up(false)
  if wanted and other and other ~= named then
    local turn = whose == owner or had(owner) <= had(whose)
    local patient = whose ~= owner or look(other).since + patience > seconds
    wanted = turn and patient
  end
  if wanted then
    other, whose = named, owner
  end
  return other and have_turn(other, whose) and other
end

local before = redis.call('LRANGE', company, 0, -1)
if before[1] == word then
  for i = 2, #before do
    at_hand(before[i])
    if redis.call('HGET', job, 'holder') == worker .. word then
      records[#records + 1] = record_of(job, id)
    end
  end
  return { records, false, {}, false }
end
for i = 2, #before do
  if before[i] ~= named then
    give_back(before[i])
  end
end
redis.call('DEL', company)

if redis.call('EXISTS', resting) == 1 then
  wake()
end

local first = begin_first()
if not first and redis.call('EXISTS', turns) == 0 and redis.call('EXISTS', waiting) == 1 then
  adopt()
  first = begin_first()
end
local its = first and known[first]
most, room = most - 1, its and its.fresh and room - its.size or 0
if first and not (its and its.fresh) then
  most = 0
end
while first and most > 0 do
  local other, owner = next_up(true)
  if not other or not have_turn(other, owner) then
    break
  end
  most, room = most - 1, room - known[other].size
end
if not left then
  room = math.huge
  left = next_up(true)
end

-- A message of the job named's own, which was used for one that needs none.
local passed = first and first ~= named and its and its.fresh and named ~= '' and look(named).due
  and not look(named).fresh and not rests(named)

if #taken > 0 and worker ~= ':' then
  redis.call('RPUSH', company, word, unpack(taken))
  expire(company, 86400)
end
return {
  records, left and record_of(root .. 'job:' .. left, left), freed,
  passed and record_of(root .. 'job:' .. named, named),
}
