-- ARGV: id, seconds to keep artefacts, and the record
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'attempts')
if not at[1] then
  return { 'missing' }
end
if at[1] ~= 'queued' and at[1] ~= 'running' then
  return { 'over', record_of(job, id) }
end
redis.call('HDEL', job, 'holder', 'error', 'emitted')
ended(at[1], 'cancelled', at[2], at[3], ARGV[2], ARGV[3])
state_event('cancelled', at[3], at[4])
return { 'done', record_of(job, id) }
