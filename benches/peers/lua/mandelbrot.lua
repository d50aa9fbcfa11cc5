return function(n)
  local rounds = 0
  for y = 0, n - 1 do
    local ci = 2 * y / n - 1
    for x = 0, n - 1 do
      local cr = 3 * x / n - 2
      local zr, zi, zr2, zi2, i = 0.0, 0.0, 0.0, 0.0, 0
      repeat
        zi = zi * zr * 2 + ci
        zr = zr2 - zi2 + cr
        zr2 = zr * zr
        zi2 = zi * zi
        i = i + 1
      until i >= 50 or zr2 + zi2 > 4
      rounds = rounds + i
    end
  end
  return rounds
end
