return function(n)
  local object = { count = 0.0 }
  for _ = 1, n do object.count = object.count + 1 end
  return object.count
end
