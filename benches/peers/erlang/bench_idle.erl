-module(bench_idle).
-export([run/1]).

run(N) ->
    Before = resident(),
    Started = erlang:monotonic_time(nanosecond),
    Pids = spawn_all(N, []),
    io:format("extra create_ns ~b~n", [erlang:monotonic_time(nanosecond) - Started]),
    receive after 50 -> ok end,
    io:format("extra memory ~b~n", [max(0, resident() - Before)]),
    length(Pids).

spawn_all(0, Pids) -> Pids;
spawn_all(N, Pids) -> spawn_all(N - 1, [spawn(fun() -> receive stop -> ok end end) | Pids]).

resident() ->
    {ok, Text} = file:read_file("/proc/self/status"),
    {match, [Kibibytes]} = re:run(Text, "VmRSS:\\s*(\\d+)", [{capture, [1], list}]),
    list_to_integer(Kibibytes) * 1024.
