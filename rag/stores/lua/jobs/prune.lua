-- KEYS: an index of each state in which a job is over, by kind; ARGV: '', finished before, limit
-- Returns the records as they were.
local finished, records = root .. 'finished', {}
local ids = redis.call('ZRANGE', finished, '-inf', '(' .. ARGV[2], 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, other in ipairs(ids) do
  local key = root .. 'job:' .. other
  local record = record_of(key, other)
  if record then
    records[#records + 1] = record
  end
  redis.call('UNLINK', key, key .. ':events', key .. ':artefacts')
  redis.call('ZREM', finished, other)
  for _, index in ipairs(KEYS) do
    redis.call('ZREM', index, other)
  end
end
return records
