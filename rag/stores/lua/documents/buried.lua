-- ARGV: name, document
-- Returns {generation, version given out when it was deleted, what is still to be purged}, each or false.
return {
  redis.call('HGET', collection, 'generation'),
  redis.call('HGET', buried, ARGV[2]),
  unpurged_at(place_of(ARGV[2])),
}
