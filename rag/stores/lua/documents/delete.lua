-- ARGV: name, document, id of the job to be that purges it, the highest version that is deleted or '' for all
-- Returns {place, lines} of what is to be purged, or false; again, until a job has it. Of a document that nobody
-- has seen yet, and that somebody brings, that is the version which was given out.
local document, most = ARGV[2], tonumber(ARGV[4]) or math.huge
if redis.call('EXISTS', collection) == 0 then
  return false
end
local present, place = seen(document), place_of(document)
local highest = math.max(tonumber(redis.call('HGET', issued, document) or 0), present or 0)
local earlier = tonumber(redis.call('HGET', buried, document) or 0)
if highest > 0 then
  redis.call('HSET', buried, document, math.max(earlier, math.min(most, highest)))
end
if present and present <= most then
  to_purge(place, ARGV[3] .. '\n' .. hide(document))
elseif not present and most == math.huge and highest > earlier then
  to_purge(place, ARGV[3] .. '\n{"version":' .. string.format('%d', highest) .. '}')
end
return removal(place)
