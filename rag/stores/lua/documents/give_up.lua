-- ARGV: name, generation, job that has it in hand
-- From here on nobody may let it serve. Returns 1, also when it is so already; 0 when the job has it no more.
local holder = reserved(ARGV[2])
if holder ~= ARGV[3] then
  return 0
end
reserve(ARGV[2], holder, 'spent')
return 1
