-- Texts are immutable and interned here; the idiom for many appends is a table and table.concat.
return function(n)
  local piece = "ion"
  local parts = {}
  for i = 1, n do parts[i] = piece end
  local text = table.concat(parts)
  return text == piece:rep(n) and #text or 0
end
