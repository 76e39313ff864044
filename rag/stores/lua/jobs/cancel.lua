-- ARGV: id, a token of this call alone, seconds that an attempt may go on, and the three times of ``keep``
local step = ARGV[2] .. ':cancel'
if repeated(step) then
  return { 'done', record_of(job, id) }
end
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'attempts')
if not at[1] then
  return { 'missing' }
end
if at[1] ~= 'queued' and at[1] ~= 'running' then
  return { 'over', record_of(job, id) }
end
redis.call('HSET', job, 'closed', step)
redis.call('HDEL', job, 'holder', 'error', 'emitted')
if at[1] == 'running' then
  redis.call('HSET', job, 'writes_until', seconds + ARGV[3])
end
ended(at[1], 'cancelled', at[2], at[3], { ARGV[4], ARGV[5], ARGV[6] })
state_event('cancelled', at[3], at[4])
all_told()
return { 'done', record_of(job, id) }
