-- ARGV: id, token, stage, seconds, how much there is to do there, seconds until it is due
local stage = ARGV[3]
local step = ARGV[2] .. ':advance:' .. stage
if repeated(step) then
  return 1
end
if not holds(ARGV[2]) then
  return 0
end
local at = redis.call('HMGET', job, 'kind', 'stage')
unqueue(at[2])
redis.call('HINCRBYFLOAT', job, 't:' .. at[2], ARGV[4])
redis.call('HSET', job, 'attempts', 0, 'closed', step)
redis.call('HDEL', job, 'holder', 'error', 'emitted', 'solo')
if stage == at[2] then
  redis.call('HSET', job, 'retries', 0) -- a slice of the stage is done
elseif redis.call('HEXISTS', job, 't:' .. stage) == 1 then
  redis.call('HINCRBY', job, 'retries', 1) -- back to an earlier stage counts as a retry
end
redis.call('HSET', job, 'size', ARGV[5])
queue(stage, tonumber(ARGV[6]))
moved('running', 'queued', at[1])
state_event('queued', stage, 0)
return 1
