-- ARGV: name, id of the job to be that purges it
-- Returns {place, lines} of what is to be purged, or false; again, until a job has it.
local place = place_of()
if redis.call('EXISTS', collection) == 1 then
  to_purge(place, ARGV[2])
  drop()
  hold_replaced('spent') -- nothing is to come out of it any more
end
return place and removal(place) or false
