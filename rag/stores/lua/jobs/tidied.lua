-- ARGV: id, token of the attempt that writes no more or ''
-- If another attempt may still write, the job is checked again when the time of that attempt is over.
redis.call('ZREM', root .. 'remains', id)
local at = redis.call('HMGET', job, 'state', 'token', 'writes_until')
if not at[1] then
  return 0
end
if at[3] and at[2] ~= ARGV[2] and tonumber(at[3]) > seconds then
  redis.call('ZADD', root .. 'remains', at[3], id)
else
  redis.call('HDEL', job, 'writes_until')
end
redis.call('HDEL', job, 'tidied_until')
return 1
