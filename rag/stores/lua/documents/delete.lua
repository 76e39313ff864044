-- ARGV: name, document, id of the job to be that purges it, the highest version that is deleted or '' for all
-- Returns {place, lines} of what is to be purged, or false; again, until a job has it.
local document, most = ARGV[2], tonumber(ARGV[4]) or math.huge
if redis.call('EXISTS', collection) == 0 then
  return false
end
local highest, present, place = redis.call('HGET', issued, document), seen(document), place_of(document)
if highest or present then
  local earlier = tonumber(redis.call('HGET', buried, document) or 0)
  local last = math.min(most, math.max(tonumber(highest or 0), present or 0))
  redis.call('HSET', buried, document, math.max(earlier, last))
end
if present and present <= most then
  to_purge(place, ARGV[3] .. '\n' .. hide(document))
end
return removal(place)
