-- ARGV: id, seconds during which the job cannot be retried. False when it is not over, or dead.
local state = redis.call('HGET', job, 'state')
if state ~= 'succeeded' and state ~= 'failed' and state ~= 'cancelled' then
  redis.call('ZREM', root .. 'remains', id)
  return false
end
redis.call('HSET', job, 'tidied_until', seconds + ARGV[2])
return record_of(job, id)
