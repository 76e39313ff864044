-- ARGV: id, token, 1 if the next attempt must be made alone, else 0. Undoes the beginning of this attempt.
local step = ARGV[2] .. ':release'
if repeated(step) then
  return 1
end
if not holds(ARGV[2]) then
  return 0
end
local attempts = redis.call('HINCRBY', job, 'attempts', -1)
if attempts > 0 then
  redis.call('HINCRBY', job, 'retries', -1)
end
return requeue(step, attempts, nil, nil, ARGV[3] == '1')
