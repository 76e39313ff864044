-- ARGV: name, document, id of the job to be that purges it
-- Returns {place, lines} of what is to be purged, or false; again, until a job has it.
local document = ARGV[2]
if redis.call('EXISTS', collection) == 0 then
  return false
end
local highest, present, place = redis.call('HGET', issued, document), seen(document), place_of(document)
if highest or present then
  redis.call('HSET', buried, document, math.max(tonumber(highest or 0), present or 0))
end
if present then
  to_purge(place, ARGV[3] .. '\n' .. hide(document))
end
return removal(place)
