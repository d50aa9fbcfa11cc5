local function a(i, j) return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1) end

local function mul_a_v(n, v, av)
  for i = 0, n - 1 do
    local sum = 0.0
    for j = 0, n - 1 do sum = sum + a(i, j) * v[j + 1] end
    av[i + 1] = sum
  end
end

local function mul_at_v(n, v, atv)
  for i = 0, n - 1 do
    local sum = 0.0
    for j = 0, n - 1 do sum = sum + a(j, i) * v[j + 1] end
    atv[i + 1] = sum
  end
end

return function(n)
  local u, v, w = {}, {}, {}
  for i = 1, n do u[i], v[i], w[i] = 1.0, 0.0, 0.0 end
  for _ = 1, 10 do
    mul_a_v(n, u, w)
    mul_at_v(n, w, v)
    mul_a_v(n, v, w)
    mul_at_v(n, w, u)
  end
  local uv, vv = 0.0, 0.0
  for i = 1, n do
    uv = uv + u[i] * v[i]
    vv = vv + v[i] * v[i]
  end
  return math.sqrt(uv / vv)
end
