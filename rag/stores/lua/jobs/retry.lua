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
for _, key in ipairs({ job, job .. ':events', job .. ':artefacts' }) do
  redis.call('PERSIST', key)
end
for _, set in ipairs({ 'finished', 'dead', 'remains' }) do
  redis.call('ZREM', root .. set, id)
end
redis.call('HDEL', job, 'started_at', 'finished_at', 'error', 'result', 'done', 'total', 'reason', 'writes_until', 'solo')
redis.call('HDEL', job, 'tidied_until')
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
