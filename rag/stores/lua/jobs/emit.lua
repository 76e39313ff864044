-- ARGV: id, token, kind, data, a token of this event alone
if not holds(ARGV[2]) then
  return 0
end
if redis.call('HGET', job, 'emitted') ~= ARGV[5] then
  redis.call('HSET', job, 'emitted', ARGV[5])
  event(ARGV[3], ARGV[4])
end
return 1
