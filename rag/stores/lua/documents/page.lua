-- ARGV: name, cursor or '', limit. Returns the records of one more than the limit, where there are.
local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local found = redis.call('ZRANGE', ids, from, '+', 'BYLEX', 'LIMIT', 0, tonumber(ARGV[3]) + 1)
if #found == 0 then
  return {}
end
return redis.call('HMGET', records, unpack(found))
