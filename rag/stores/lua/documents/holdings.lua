-- KEYS: nothing of a collection; ARGV: '', owner. How many documents of all collections are the owner's, and their bytes.
local count, bytes = 0, 0
for _, of in ipairs(redis.call('SMEMBERS', root .. 'collections')) do
  local its = redis.call('HMGET', root .. 'collection:' .. of .. ':holdings', 'documents ' .. ARGV[2], 'bytes ' .. ARGV[2])
  count, bytes = count + (its[1] or 0), bytes + (its[2] or 0)
end
return { count, bytes }
