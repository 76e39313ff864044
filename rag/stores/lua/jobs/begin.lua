-- ARGV: id, stage, lease in seconds, a word that only this caller has
local stage, lease, holder = ARGV[2], ARGV[3], ARGV[4]
local at = redis.call('HMGET', job, 'state', 'stage', 'kind', 'holder', 'queued_at')
local state, kind = at[1], at[3]

if not state or at[2] ~= stage then
  return false
end
if state == 'running' then
  local lease_end = redis.call('ZSCORE', root .. 'leases', id)
  if lease_end and tonumber(lease_end) > tonumber(now) then
    return at[4] == holder and record_of(job, id)
  end
elseif state ~= 'queued' then
  return false
end

unqueue(stage)
redis.call('ZADD', root .. 'leases', tonumber(now) + tonumber(lease), id)
redis.call('HSETNX', job, 'started_at', now)
redis.call('HSET', job, 'state', 'running', 'holder', holder)
redis.call('HINCRBY', job, 'token', 1)
local attempts = redis.call('HINCRBY', job, 'attempts', 1)
if state == 'queued' then
  redis.call('HINCRBYFLOAT', job, 't:queue', tonumber(now) - tonumber(at[5]))
  moved(state, 'running', kind)
end
state_event('running', stage, attempts)
return record_of(job, id)
