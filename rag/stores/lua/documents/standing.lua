-- ARGV: name. Returns {row or false, generation or false, floor}.
return { row(collection, name), redis.call('HGET', root .. 'generations', name), floor() }
