-- KEYS: recovery, intact; ARGV: word, run id of the server
-- Not held any more: records went again meanwhile, or somebody else is at it.
if not held() then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
