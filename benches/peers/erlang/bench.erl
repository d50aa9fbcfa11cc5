%% The harness of the Erlang peers: WORKLOAD WARM REPETITIONS SIZE…
%% prints the nanoseconds (wall, processor) of each timed repetition, then the result.
%% Each repetition runs in a process of its own, so that garbage of one is no burden of the next.
-module(bench).
-export([main/1, latencies/1]).

main([Workload, Warm, Repetitions | Sizes]) ->
    Module = list_to_atom("bench_" ++ Workload),
    Args = [list_to_integer(Size) || Size <- Sizes],
    {module, Module} = code:ensure_loaded(Module),
    [once(Module, Args) || _ <- lists:seq(1, list_to_integer(Warm))],
    Timed = [once(Module, Args) || _ <- lists:seq(1, list_to_integer(Repetitions))],
    [io:format("time ~b ~b~n", [Wall, Cpu]) || {Wall, Cpu, _} <- Timed],
    {_, _, Result} = lists:last(Timed),
    io:format("result ~w~n", [Result]),
    halt(0).

once(Module, Args) ->
    {Pid, Ref} = spawn_monitor(fun() ->
        Cpu = processor_time(),
        Wall = erlang:monotonic_time(nanosecond),
        Result = apply(Module, run, Args),
        Wall2 = erlang:monotonic_time(nanosecond),
        exit({done, Wall2 - Wall, processor_time() - Cpu, Result})
    end),
    receive
        {'DOWN', Ref, process, Pid, {done, Wall, Cpu, Result}} -> {Wall, Cpu, Result};
        {'DOWN', Ref, process, Pid, Reason} -> io:format(standard_error, "~p~n", [Reason]), halt(1)
    end.

%% Prints the percentiles of a list of nanoseconds.
latencies(Times) ->
    Sorted = list_to_tuple(lists:sort(Times)),
    Last = tuple_size(Sorted),
    [io:format("extra ~s ~b~n", [Name, element(max(1, ceil(Part * Last)), Sorted)])
     || {Name, Part} <- [{"p50_ns", 0.5}, {"p99_ns", 0.99}, {"max_ns", 1.0}]],
    ok.

%% Nanoseconds that all threads have run; the system's own clock has only milliseconds.
processor_time() ->
    case file:list_dir("/proc/self/task") of
        {ok, Threads} -> lists:sum([of_thread(Thread) || Thread <- Threads]);
        {error, _} -> {Milliseconds, _} = statistics(runtime), Milliseconds * 1000000
    end.

of_thread(Thread) ->
    case file:read_file("/proc/self/task/" ++ Thread ++ "/schedstat") of
        {ok, Text} -> [Time | _] = binary:split(Text, <<" ">>), binary_to_integer(Time);
        {error, _} -> 0
    end.
