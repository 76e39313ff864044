-- KEYS: collection, job, what is staged; ARGV: name, generation, token, job, model, dimension, created_at, version
-- Let what is staged take the collection's place. Versions given out are above ``version``, and above all that
-- were. The former generation, and what was replaced before it, come into the job's hands. Returns 1, also when it
-- is so already; 0 when the lease is lost, the generation was given up, nothing is staged, or a collection of this
-- name was made since the generation was reserved.
local generation, staged = ARGV[2], KEYS[3]
if redis.call('HGET', collection, 'generation') == generation then
  return 1
end
local newest = tonumber(redis.call('HGET', root .. 'generations', name) or 0)
local holder, state = reserved(generation)
if not allowed(ARGV[3]) or holder ~= ARGV[4] or state ~= 'filled' then
  return 0
end
if redis.call('EXISTS', staged) == 0 or newest >= tonumber(generation) then
  return 0
end
local former = redis.call('HMGET', collection, 'generation', 'highest', 'revision')
local above = math.max(floor(), tonumber(former[2] or 0), tonumber(ARGV[8]))
for _, part in ipairs({ '', ':live', ':records', ':ids', ':issued', ':buried', ':owned', ':holdings' }) do
  redis.call('UNLINK', collection .. part)
  if redis.call('EXISTS', staged .. part) == 1 then
    redis.call('RENAME', staged .. part, collection .. part)
    redis.call('PERSIST', collection .. part)
  end
end
redis.call('HSET', collection, 'generation', generation, 'model', ARGV[5], 'dimension', ARGV[6], 'created_at',
  ARGV[7], 'built_by', ARGV[4], 'moves', 1, 'revision', former[3] or 0)
go_above(above)
revise()
redis.call('SADD', root .. 'collections', name)
redis.call('HSET', root .. 'generations', name, generation)
redis.call('HDEL', root .. 'floors', name)
redis.call('HDEL', reservations, name .. '-' .. generation)
hold_replaced('replaced', ARGV[4])
if former[1] then
  reserve(former[1], ARGV[4], 'replaced')
end
return 1
