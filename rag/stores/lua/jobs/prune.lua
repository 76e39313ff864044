-- KEYS: nothing of a job; ARGV: '', 'finished' or 'dead', ended before, most to keep, limit
-- Returns the records as they were, without their results.
local set, before, limit = root .. ARGV[2], tonumber(ARGV[3]), ARGV[5]
local surplus = redis.call('ZCARD', set) - ARGV[4]
local oldest = redis.call('ZRANGE', set, 0, limit - 1, 'WITHSCORES')
local records = {}

local function forget(other, fields)
  local key = root .. 'job:' .. other
  -- A record that expired does not tell any more in which lists it is.
  unlist(other, fields[1] and lists_of(unpack(fields, 1, 3)) or redis.call('SMEMBERS', root .. 'lists'))
  unlist_about(other, fields[2], fields[4])
  redis.call('UNLINK', key, key .. ':events', key .. ':artefacts')
  redis.call('ZREM', set, other)
  redis.call('ZREM', root .. 'remains', other)
  for _, state in ipairs({ 'succeeded', 'failed', 'cancelled', 'dead' }) do
    for _, kind in ipairs(fields[1] and { fields[1] } or { 'ingest', 'query', 'delete' }) do
      redis.call('ZREM', root .. 'jobs:' .. state .. ':' .. kind, other)
    end
  end
end

for i = 1, #oldest, 2 do
  if tonumber(oldest[i + 1]) >= before and surplus <= 0 then
    break
  end
  surplus = surplus - 1
  local key = root .. 'job:' .. oldest[i]
  redis.call('HDEL', key, 'result')
  records[#records + 1] = record_of(key, oldest[i]) or nil
  forget(oldest[i], redis.call('HMGET', key, 'kind', 'collection', 'owner', 'document'))
end
return records
