-- ARGV: name, model, dimension. Returns {1 when new, row}.
if redis.call('EXISTS', collection) == 1 then
  return { 0, row(collection, name) }
end
local clock = redis.call('TIME')
redis.call('HSET', collection, 'generation', redis.call('HINCRBY', root .. 'generations', name, 1),
  'model', ARGV[2], 'dimension', ARGV[3], 'created_at', string.format('%d.%06d', clock[1], clock[2]),
  'chunks', 0, 'highest', floor())
redis.call('SADD', root .. 'collections', name)
return { 1, row(collection, name) }
