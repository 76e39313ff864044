-- ARGV: name, place, id of the job that is recorded
if string.match(unpurged_at(ARGV[2]) or '', '^[^\n]*') == ARGV[3] then
  redis.call('HDEL', unpurged, ARGV[2])
  redis.call('ZREM', since, ARGV[2])
end
return 1
