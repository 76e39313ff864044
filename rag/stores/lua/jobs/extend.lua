-- ARGV: id, token, lease in seconds
if not holds(ARGV[2]) then
  return 0
end
redis.call('ZADD', root .. 'leases', tonumber(now) + tonumber(ARGV[3]), id)
return 1
