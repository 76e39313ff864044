-- ARGV: id
local state = redis.call('HGET', job, 'state')
if state == 'queued' or state == 'running' then
  redis.call('ZADD', root .. 'published', now, id)
end
return 1
