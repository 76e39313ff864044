-- ARGV: name, document
return redis.call('HGET', records, ARGV[2])
