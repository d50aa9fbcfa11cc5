local Counter = {}
Counter.__index = Counter

function Counter:bump(k)
  self.n = self.n + k
  return self.n
end

return function(n)
  local counter = setmetatable({ n = 0.0 }, Counter)
  for _ = 1, n do counter:bump(1) end
  return counter.n
end
