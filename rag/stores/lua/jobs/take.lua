-- ARGV: id or '', stage, lease in seconds, a word that only this call has, the worker or '', most jobs,
-- most that they may be in size, seconds that a job may wait for its entry in the journal or '', how often
-- the job had been begun at the stage when its message was sent, or ''.
-- Returns {records of the jobs begun, of the first one left or false, of those given back}.
local stage, lease, word, worker = ARGV[2], ARGV[3], ARGV[4], ARGV[5] .. ':'
local most, room, unkept = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local waiting, apart, company = root .. 'waiting:' .. stage, root .. 'apart:' .. stage, root .. 'company:' .. ARGV[5]
local looks, page = 2000, 100
local taken, records, freed, left = {}, {}, {}, false

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

-- Whether the job was never begun at this stage, and its size. One whose entry in the journal is not
-- written yet is promised to nobody.
local function fresh(other)
  if redis.call('ZSCORE', apart, other) then
    return false
  end
  local at = redis.call('HMGET', root .. 'job:' .. other, 'state', 'attempts', 'size', 'kept', 'queued_at')
  local promised = not unkept or at[4] or other == ARGV[1] or at[5] + unkept < seconds
  return at[1] == 'queued' and tonumber(at[2]) == 0 and promised, tonumber(at[3] or 1)
end

-- Whether the job was begun since its message was sent, and rests until it may be again: then that was a
-- hint, and a message of its own comes when it is due.
local function rests(other)
  local at = redis.call('HMGET', root .. 'job:' .. other, 'state', 'attempts')
  return ARGV[9] ~= '' and at[1] == 'queued' and tonumber(at[2]) > tonumber(ARGV[9]) and not silent(other, seconds)
end

local before = redis.call('LRANGE', company, 0, -1)
if before[1] == word then
  for i = 2, #before do
    at_hand(before[i])
    if redis.call('HGET', job, 'holder') == worker .. word then
      records[#records + 1] = record_of(job, id)
    end
  end
  return { records, false, {} }
end
for i = 2, #before do
  if before[i] ~= ARGV[1] then
    give_back(before[i])
  end
end
redis.call('DEL', company)

local sociable, size = fresh(ARGV[1])
if ARGV[1] ~= '' and not rests(ARGV[1]) and begin(ARGV[1]) then
  most, room = most - 1, sociable and room - size or 0
end

local from, known = 0, #taken
repeat
  local ids = redis.call('ZRANGE', waiting, from, from + page - 1)
  for _, other in ipairs(ids) do
    local free, its = fresh(other)
    if free and most > 0 and (its <= room or #taken == 0) and begin(other) then
      most, room = most - 1, room - its
    elseif free then
      left = left or record_of(root .. 'job:' .. other, other)
    end
  end
  from = from + page - (#taken - known)
  known = #taken
until left or #ids < page or from >= looks

if #taken > 0 and worker ~= ':' then
  redis.call('RPUSH', company, word, unpack(taken))
  expire(company, 86400)
end
return { records, left, freed }
