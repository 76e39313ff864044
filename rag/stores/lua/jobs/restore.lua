-- ARGV: id, the stage of a new start, seconds to keep the record of a job that is over, seconds to
-- remember its Idempotency-Key, then names and values of the record in turn.
-- Returns 1, or 0 when there is a record already.
if redis.call('EXISTS', job) == 1 then
  return 0
end
redis.call('HSET', job, unpack(ARGV, 5))
local at = redis.call('HMGET', job, 'kind', 'created_at', 'idempotency', 'digest', 'state', 'due')
local kind, created_at, idempotency, state = at[1], at[2], at[3], at[5]

local function left(span, since)
  return math.max(1, tonumber(span) - (seconds - since))
end

-- The artefacts of its stages were lost with the records, so a retry begins at the first one.
local function over()
  local finished_at = redis.call('HGET', job, 'finished_at')
  redis.call('HSET', job, 'restart', ARGV[2])
  redis.call('ZADD', root .. (state == 'dead' and 'dead' or 'finished'), finished_at, id)
  if kind == 'ingest' and (state == 'failed' or state == 'cancelled') then
    redis.call('ZADD', root .. 'remains', finished_at, id)
  end
  expire(job, left(ARGV[3], finished_at))
end

-- An attempt from before the loss may still hold a token, and may have written points. A token made
-- from the clock is above all earlier ones. The job keeps its place in the queue, and it has its entry in the
-- journal already.
local function again()
  redis.call('HSET', job, 'kept', 1, 'attempts', 0, 'token', clock[1] .. string.format('%06d', clock[2]))
  if kind == 'ingest' then
    redis.call('HSET', job, 't:index', 0)
  end
  queue(ARGV[2])
  redis.call('HSET', job, 'queued_at', created_at)
  redis.call('ZADD', root .. 'waiting:' .. ARGV[2], created_at, id)
  line_up(ARGV[2], id, created_at)
  if at[6] then
    redis.call('ZADD', root .. 'deadlines', at[6], id)
  end
  state_event('queued', ARGV[2], 0)
end

if idempotency and redis.call('EXISTS', idempotency) == 0 then
  redis.call('HSET', idempotency, 'job', id, 'digest', at[4])
  expire(idempotency, left(ARGV[4], created_at))
end
if state then
  over()
else
  again()
end
moved(nil, state or 'queued', kind)
if state then
  keep_lists_about(redis.call('PTTL', job) / 1000)
end
return 1
