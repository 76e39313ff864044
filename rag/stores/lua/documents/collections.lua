-- KEYS: the set of names
local rows = {}
for _, of in ipairs(redis.call('SMEMBERS', root .. 'collections')) do
  rows[#rows + 1] = row(root .. 'collection:' .. of, of)
end
return rows
