-- ARGV: name. Returns {row or false, generation or false, floor, what is to be purged of that generation or false,
-- highest number of a layout given out or false, moves or false, version that those given out are above or false}.
return {
  row(collection, name),
  redis.call('HGET', root .. 'generations', name),
  floor(),
  unpurged_at(place_of()),
  redis.call('HGET', collection, 'layouts'),
  redis.call('HGET', collection, 'moves'),
  redis.call('HGET', collection, 'above'),
}
