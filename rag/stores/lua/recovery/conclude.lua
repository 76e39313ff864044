-- KEYS: recovery, intact; ARGV: token, run id of the server
-- Not held any more: the records were lost again, or another process is rebuilding them.
if not held() then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
