-- KEYS: the keys; ARGV: id
redis.call('HSET', used, ARGV[1], time())
