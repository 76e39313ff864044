-- ARGV: id, as for within
return within(job, 2) and record_of(job, id)
