-- ARGV: id. A deadline moves, so that the new run gets as long as the first one had.
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'deadline', 'created_at')
if not at[1] then
  return { 'missing' }
end
if at[1] ~= 'failed' and at[1] ~= 'dead' and at[1] ~= 'cancelled' then
  return { 'unfit', record_of(job, id) }
end
redis.call('PERSIST', job)
redis.call('PERSIST', job .. ':events')
redis.call('PERSIST', job .. ':artefacts')
redis.call('ZREM', root .. 'finished', id)
redis.call('HDEL', job, 'finished_at', 'error', 'result', 'done', 'total', 'closed')
redis.call('HSET', job, 'attempts', 0)
if at[4] then
  redis.call('HSET', job, 'deadline', string.format('%.6f', now + at[4] - at[5]))
end
queue(at[3])
moved(at[1], 'queued', at[2])
state_event('queued', at[3], 0)
return { 'done', record_of(job, id) }
