-- ARGV: name
return row(collection, name)
