-- ARGV: name, model, dimension. Returns {1 when new, row}.
if redis.call('EXISTS', collection) == 1 then
  return { 0, row(collection, name) }
end
local clock = redis.call('TIME')
local created_at = string.format('%d.%06d', clock[1], clock[2])
make(redis.call('HINCRBY', root .. 'generations', name, 1), ARGV[2], ARGV[3], created_at)
return { 1, row(collection, name) }
