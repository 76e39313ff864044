-- ARGV: '', lease in seconds, the worker that asks or '', then for each stage its name and the seconds that a job
-- may wait for its entry in the journal or ''.
-- Returns {stage, id of its oldest due job} for each stage that has one, the longest waiting job first.
local found, most_owners, page = {}, 100, 20

-- The first job of a line whose entry in the journal is written, if it needs one, and since when it waits.
local function first_of(line, unkept)
  local jobs = redis.call('ZRANGE', line, 0, unkept and page - 1 or 0, 'WITHSCORES')
  for at = 1, #jobs, 2 do
    local since = tonumber(jobs[at + 1])
    if not unkept or since + unkept < seconds or redis.call('HEXISTS', root .. 'job:' .. jobs[at], 'kept') == 1 then
      return jobs[at], since
    end
  end
end

local stages = {}
for i = 4, #ARGV, 2 do
  stages[ARGV[i]] = true
end
requeue_abandoned(ARGV[3], stages)
for i = 4, #ARGV, 2 do
  local stage, oldest, since = ARGV[i], nil, nil
  line_up_due(stage, tonumber(ARGV[2]))
  for _, owner in ipairs(redis.call('ZRANGE', root .. 'turns:' .. stage, 0, most_owners - 1)) do
    local first, waits_since = first_of(line_of(stage, owner), tonumber(ARGV[i + 1]))
    if first and (not oldest or waits_since < since) then
      oldest, since = first, waits_since
    end
  end
  if oldest then
    found[#found + 1] = { stage, oldest, since }
  end
end
table.sort(found, function(a, b) return a[3] < b[3] end)
return found
