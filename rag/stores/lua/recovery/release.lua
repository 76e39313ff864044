-- KEYS: recovery; ARGV: token
return held() and redis.call('DEL', KEYS[1]) or 0
