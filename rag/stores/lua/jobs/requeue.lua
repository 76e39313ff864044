-- ARGV: id, token, error, seconds until the next attempt
local step = ARGV[2] .. ':requeue'
if repeated(step) then
  return 1
end
if not holds(ARGV[2]) then
  return 0
end
local at = redis.call('HMGET', job, 'kind', 'stage', 'attempts')
unqueue(at[2])
redis.call('HSET', job, 'error', ARGV[3], 'closed', step)
redis.call('HDEL', job, 'holder')
queue(at[2], math.min(tonumber(ARGV[4]), longest_delay))
moved('running', 'queued', at[1])
state_event('queued', at[2], at[3], ARGV[3])
return 1
