-- ARGV: name, model, dimension, most collections or ''. Returns {1 when new, row}, no row when there are too many.
if redis.call('EXISTS', collection) == 1 then
  return { 0, row(collection, name) }
end
if ARGV[4] ~= '' and redis.call('SCARD', root .. 'collections') >= tonumber(ARGV[4]) then
  return { 0, false }
end
local generation = next_generation(0)
redis.call('HSET', root .. 'generations', name, generation)
make(generation, ARGV[2], ARGV[3], now)
return { 1, row(collection, name) }
