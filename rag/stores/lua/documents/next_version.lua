-- ARGV: name, document
if redis.call('EXISTS', collection) == 0 then
  return false
end
return next_version(ARGV[2])
