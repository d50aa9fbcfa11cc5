return function(n)
  local flags = {}
  for i = 0, n do flags[i] = true end
  local i = 2
  while i * i <= n do
    if flags[i] then
      for j = i * i, n, i do flags[j] = false end
    end
    i = i + 1
  end
  local primes = 0
  for k = 2, n do
    if flags[k] then primes = primes + 1 end
  end
  return primes
end
