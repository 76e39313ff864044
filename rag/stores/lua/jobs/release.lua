-- ARGV: id, token. As if this attempt had never begun.
local step = ARGV[2] .. ':release'
if repeated(step) then
  return 1
end
if not holds(ARGV[2]) then
  return 0
end
local at = redis.call('HMGET', job, 'kind', 'stage', 'attempts')
unqueue(at[2])
local attempts = redis.call('HINCRBY', job, 'attempts', -1)
if attempts > 0 then
  redis.call('HINCRBY', job, 'retries', -1)
end
redis.call('HSET', job, 'closed', step)
redis.call('HDEL', job, 'holder')
queue(at[2])
moved('running', 'queued', at[1])
state_event('queued', at[2], attempts)
return 1
