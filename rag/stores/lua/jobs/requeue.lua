-- ARGV: id, token, error, seconds until the next attempt, 1 for an attempt that counts or 0
local step = ARGV[2] .. ':requeue'
if repeated(step) then
  return 1
end
if not holds(ARGV[2]) then
  return 0
end
redis.call('HSET', job, 'error', ARGV[3])
local attempts = tonumber(redis.call('HGET', job, 'attempts'))
if ARGV[5] == '0' then
  attempts = redis.call('HINCRBY', job, 'attempts', -1)
  if attempts > 0 then
    redis.call('HINCRBY', job, 'retries', -1)
  end
end
return requeue(step, attempts, tonumber(ARGV[4]), ARGV[3])
