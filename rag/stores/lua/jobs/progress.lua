-- ARGV: id, token, done, total
if not holds(ARGV[2]) then
  return 0
end
local at = redis.call('HMGET', job, 'done', 'total')
if at[1] ~= ARGV[3] or at[2] ~= ARGV[4] then
  redis.call('HSET', job, 'done', ARGV[3], 'total', ARGV[4])
  event('progress', '{"done":' .. ARGV[3] .. ',"total":' .. ARGV[4] .. '}')
end
return 1
