-- ARGV: name, document. Returns {generation, version given out when it was deleted}, each or false.
return { redis.call('HGET', collection, 'generation'), redis.call('HGET', buried, ARGV[2]) }
