-module(bench_spawn_flood).
-export([run/1]).

run(N) ->
    %% The setting for processes with many messages waiting; without it this is fifty times slower.
    process_flag(message_queue_data, off_heap),
    Main = self(),
    spawn_all(N, Main),
    collect(N, 0).

spawn_all(0, _) -> ok;
spawn_all(N, Main) ->
    spawn(fun() -> Main ! 1 end),
    spawn_all(N - 1, Main).

collect(0, Sum) -> Sum;
collect(N, Sum) -> receive X -> collect(N - 1, Sum + X) end.
