-- ARGV: name, model, dimension. Returns {1 when new, row}.
if redis.call('EXISTS', collection) == 1 then
  return { 0, row(collection, name) }
end
local generation = next_generation(0)
redis.call('HSET', root .. 'generations', name, generation)
make(generation, ARGV[2], ARGV[3], now)
return { 1, row(collection, name) }
