local function make_adder(k)
  return function(x) return x + k end
end

return function(n)
  local add = make_adder(0.5)
  local sum = 0.0
  for _ = 1, n do sum = add(sum) end
  return sum
end
