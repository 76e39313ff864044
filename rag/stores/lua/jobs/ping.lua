-- Answers only if the fence lets it: if the records are intact.
return 1
