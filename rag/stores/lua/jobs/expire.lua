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
