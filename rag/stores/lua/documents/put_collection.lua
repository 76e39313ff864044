-- ARGV: name, model, dimension. Returns {1 when new, row}.
if redis.call('EXISTS', collection) == 1 then
  return { 0, row(collection, name) }
end
make(redis.call('HINCRBY', root .. 'generations', name, 1), ARGV[2], ARGV[3], now)
return { 1, row(collection, name) }
