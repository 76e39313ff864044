-- ARGV: id, stage, lease in seconds, a word that only this call has, the worker or ''
local stage, lease, worker = ARGV[2], ARGV[3], ARGV[5] .. ':'
local holder = worker .. ARGV[4]
local at = redis.call('HMGET', job, 'state', 'stage', 'kind', 'holder', 'queued_at')
local state, kind, held = at[1], at[3], at[4]

if not state or at[2] ~= stage then
  return false
end
if state == 'running' then
  if held == holder then
    return record_of(job, id)
  end
  local died = worker ~= ':' and held and string.sub(held, 1, #worker) == worker
  if not died and leased(job, id) then
    return false
  end
elseif state ~= 'queued' then
  return false
end

unqueue(stage)
redis.call('ZADD', root .. 'leases', seconds + lease, id)
redis.call('HSETNX', job, 'started_at', now)
redis.call('HSET', job, 'state', 'running', 'holder', holder, 'lease', lease, 'seen', now, 'held', 0)
redis.call('HINCRBY', job, 'token', 1)
local attempts = redis.call('HINCRBY', job, 'attempts', 1)
if attempts > 1 then
  redis.call('HINCRBY', job, 'retries', 1)
end
if state == 'queued' then
  redis.call('HINCRBYFLOAT', job, 't:queue', math.max(0, seconds - at[5]))
  moved(state, 'running', kind)
end
state_event('running', stage, attempts)
return record_of(job, id)
