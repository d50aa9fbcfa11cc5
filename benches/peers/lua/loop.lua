return function(n)
  local sum = 0.0
  for i = 1.0, n do sum = sum + i end
  return sum
end
