-- ARGV: id, token, name, data
if not holds(ARGV[2]) then
  return 0
end
redis.call('HSET', job .. ':artefacts', ARGV[3], ARGV[4])
return 1
