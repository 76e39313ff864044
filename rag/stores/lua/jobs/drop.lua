-- ARGV: id, a token of this call alone, and the three times of ``keep``
local step = ARGV[2] .. ':drop'
if repeated(step) then
  return { 'done', record_of(job, id) }
end
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'attempts', 'finished_at')
if not at[1] then
  return { 'missing' }
end
if at[1] ~= 'dead' then
  return { 'unfit', record_of(job, id) }
end
redis.call('ZREM', root .. 'dead', id)
redis.call('HSET', job, 'closed', step)
redis.call('HDEL', job, 'reason')
ended('dead', 'failed', at[2], at[3], { ARGV[3], ARGV[4], ARGV[5] })
redis.call('HSET', job, 'finished_at', at[5])
state_event('failed', at[3], at[4])
all_told()
return { 'done', record_of(job, id) }
