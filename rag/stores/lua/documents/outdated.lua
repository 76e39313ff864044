-- ARGV: name, document, version, generation
return outdated(ARGV[2], tonumber(ARGV[3]), ARGV[4]) and 1 or 0
