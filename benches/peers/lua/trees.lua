local function make(depth)
  if depth == 0 then return { left = nil, right = nil } end
  return { left = make(depth - 1), right = make(depth - 1) }
end

local function check(tree)
  if not tree.left then return 1 end
  return check(tree.left) + check(tree.right) + 1
end

return function(n)
  local nodes = check(make(n + 1))
  local long_lived = make(n)
  for depth = 4, n, 2 do
    for _ = 1, 2 ^ (n - depth + 4) do nodes = nodes + check(make(depth)) end
  end
  return nodes + check(long_lived)
end
