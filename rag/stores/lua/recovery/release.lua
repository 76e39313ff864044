-- KEYS: recovery; ARGV: word
return held() and redis.call('DEL', KEYS[1]) or 0
