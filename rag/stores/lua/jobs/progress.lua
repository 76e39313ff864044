-- ARGV: id, token, done, total
if not holds(ARGV[2]) then
  return 0
end
redis.call('HSET', job, 'done', ARGV[3], 'total', ARGV[4])
event('progress', '{"done":' .. ARGV[3] .. ',"total":' .. ARGV[4] .. '}')
return 1
