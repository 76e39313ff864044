-- KEYS: recovery; ARGV: token, milliseconds
return held() and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0
