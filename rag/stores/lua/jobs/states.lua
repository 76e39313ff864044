-- ARGV: '', ids. The state of each, false where there is no record.
local states = {}
for i = 2, #ARGV do
  states[#states + 1] = redis.call('HGET', root .. 'job:' .. ARGV[i], 'state')
end
return states
