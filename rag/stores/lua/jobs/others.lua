-- KEYS: nothing of a job; ARGV: '', owner, stages. Whether a job of another owner is due at one of the stages.
for i = 3, #ARGV do
  for _, other in ipairs(redis.call('ZRANGE', root .. 'turns:' .. ARGV[i], 0, -1)) do
    if other ~= ARGV[2] and redis.call('EXISTS', line_of(ARGV[i], other)) == 1 then
      return 1
    end
  end
end
return 0
