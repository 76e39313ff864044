-- ARGV: name, job, a generation that is to be surpassed. Returns the generation that the job has in hand.
local generation = next_generation(tonumber(ARGV[3]))
redis.call('HSET', root .. 'reserved', name, generation)
reserve(generation, ARGV[2], 'filled')
return generation
