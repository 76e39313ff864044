-- ARGV: id, inputs as they are, inputs as they are to be, the stage of a new start
-- Lets a job that has not succeeded begin again with other inputs; one that is over, when it is retried.
-- Returns 1, or 0 when the inputs have changed, or the job has succeeded.
local at = redis.call('HMGET', job, 'state', 'kind', 'stage', 'inputs')
local state, kind, stage = at[1], at[2], at[3]
if not state or state == 'succeeded' or at[4] ~= ARGV[2] then
  return 0
end
redis.call('HSET', job, 'inputs', ARGV[3])
if state ~= 'queued' and state ~= 'running' then
  redis.call('HSET', job, 'restart', ARGV[4])
  return 1
end
unqueue(stage)
redis.call('HSET', job, 'attempts', 0, 'closed', ARGV[4] .. ':moved')
redis.call('HINCRBY', job, 'token', 1) -- an attempt that still runs can write nothing more
redis.call('HDEL', job, 'holder', 'error', 'solo')
queue(ARGV[4])
moved(state, 'queued', kind)
state_event('queued', ARGV[4], 0)
return 1
