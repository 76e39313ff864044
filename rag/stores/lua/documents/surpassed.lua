-- ARGV: name, generation. Whether a collection of this name was made since the generation was reserved.
local newest = tonumber(redis.call('HGET', root .. 'generations', name) or 0)
return newest >= tonumber(ARGV[2]) and redis.call('HGET', collection, 'generation') ~= ARGV[2] and 1 or 0
