-- ARGV: id
return record_of(job, id)
