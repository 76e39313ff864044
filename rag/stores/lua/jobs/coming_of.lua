-- ARGV: '', collection, document, how many. Ids of ingestions that bring the document and are not over.
local from = ARGV[3] .. '\31'
local found = redis.call('ZRANGE', coming(ARGV[2]), '[' .. from, '(' .. ARGV[3] .. '\32', 'BYLEX', 'LIMIT', 0, ARGV[4])
for i, each in ipairs(found) do
  found[i] = string.sub(each, #from + 1)
end
return found
