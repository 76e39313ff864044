-- KEYS: record [, idempotency]; ARGV: id, kind, stage, collection, inputs, deadline, seconds until then,
-- digest, seconds to keep the key, most jobs of the kind, trace context, owner; '' is none
local kind, stage, deadline, digest, most, trace = ARGV[2], ARGV[3], ARGV[6], ARGV[8], ARGV[10], ARGV[11]
local owner, idempotency = ARGV[12], KEYS[2]

local earlier = idempotency and earlier_with(idempotency, digest)
if earlier then
  return earlier
end

if redis.call('EXISTS', job) == 0 then
  local open, drained = flow(kind)
  if most ~= '' and open >= tonumber(most) then
    return { 'full', open, drained }
  end
  redis.call('HSET', job, 'id', id, 'kind', kind, 'collection', ARGV[4], 'inputs', ARGV[5],
    'created_at', now, 'attempts', 0, 'token', 0)
  if deadline ~= '' then
    redis.call('HSET', job, 'deadline', deadline)
    due_in(ARGV[7])
  end
  if trace ~= '' then
    redis.call('HSET', job, 'trace', trace)
  end
  if owner ~= '' then
    redis.call('HSET', job, 'owner', owner)
  end
  if idempotency then
    redis.call('HSET', job, 'idempotency', idempotency, 'digest', digest)
  end
  queue(stage)
  moved(nil, 'queued', kind)
  state_event('queued', stage, 0)
end
if idempotency then
  redis.call('HSET', idempotency, 'job', id, 'digest', digest)
  expire(idempotency, ARGV[9])
end
return { 'new', record_of(job, id) }
