-- The harness of the Lua peers: bench.lua WORKLOAD WARM REPETITIONS SIZE…
-- prints the nanoseconds (processor time twice: there is no fine wall clock) of each timed repetition, then the result.
local directory = arg[0]:match("^(.*/)") or "./"
local run = dofile(directory .. arg[1] .. ".lua")
local sizes = {}
for i = 4, #arg do sizes[#sizes + 1] = tonumber(arg[i]) end
local unpack = table.unpack or unpack
local result
for _ = 1, tonumber(arg[2]) do result = run(unpack(sizes)) end
for _ = 1, tonumber(arg[3]) do
  local start = os.clock()
  result = run(unpack(sizes))
  local ns = (os.clock() - start) * 1e9
  print(string.format("time %.0f %.0f", ns, ns))
end
print(string.format("result %.17g", result))
