local function step(order, state)
  local tag, x = order[1], order[2]
  if tag == "add" then return state + x
  elseif tag == "sub" then return state - x
  elseif tag == "mul" then return state * x
  elseif tag == "div" then return state / x
  elseif tag == "from" then return x - state
  elseif tag == "least" then if state < x then return state else return x end
  elseif tag == "most" then if state > x then return state else return x end
  elseif tag == "half" then return state * 0.5 + x
  end
  return state
end

return function(n)
  local orders = {
    { "add", 3 }, { "sub", 1 }, { "mul", 2 }, { "div", 4 },
    { "from", 10 }, { "least", 100 }, { "most", -100 }, { "half", 1 },
  }
  local state = 0.0
  for _ = 1, n do
    for j = 1, 8 do state = step(orders[j], state) end
  end
  return state
end
