-- ARGV: cache, lifetime in seconds, bytes that all entries may take, key, value …
local lifetime, most = tonumber(ARGV[2]), tonumber(ARGV[3])
for i = 4, #ARGV, 2 do
  local key = ARGV[1] .. ':' .. ARGV[i]
  remove(key)
  redis.call('HSET', entries, key, ARGV[i + 1])
  redis.call('ZADD', ends, string.format('%.3f', now + lifetime), key)
  redis.call('INCRBY', size, #ARGV[i + 1] + beside)
end
for _, key in ipairs(redis.call('ZRANGE', ends, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
  remove(key)
end
while tonumber(redis.call('GET', size)) > most do
  remove(redis.call('ZRANGE', ends, 0, 0)[1])
end
for _, key in ipairs({ entries, ends, size }) do
  redis.call('PEXPIRE', key, string.format('%.0f', lifetime * 1000 + 1))
end
return 1
