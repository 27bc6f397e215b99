%% Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.
%%
%% usage: MILLRACE_PASSWORD=... ERL_LIBS=_build/default/lib erl -noshell -run millrace_consumer main [SECONDS]
%%        goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time first,
%%        for which no other member of the group may run
%% needs: rebar.config and record.avsc beside this file;
%%        rebar3 compile && ERL_LIBS=_build/default/lib erlc millrace_consumer.erl
-module(millrace_consumer).
-behaviour(brod_group_subscriber_v2).

-include_lib("brod/include/brod.hrl").

-export([main/0, main/1]).
-export([init/2, handle_message/2]).             % of the group's subscriber
-export([init/1, handle_event/2, handle_call/2]). % of the signal's handler

env(Name, Otherwise) -> os:getenv(Name, Otherwise).

address() -> env("MILLRACE_ADDRESS", "ADDRESS").
topic() -> list_to_binary(env("MILLRACE_TOPIC", "TOPIC")).
group() -> list_to_binary(env("MILLRACE_GROUP", "GROUP")).
user() -> list_to_binary(env("MILLRACE_USER", "USER")). % <account>-<group>
protocol() -> env("MILLRACE_PROTOCOL", "PROTOCOL"). % SASL_PLAINTEXT, or by TLS SASL_SSL

main() -> main([]).

main(Arguments) ->
    {ok, _} = application:ensure_all_started(brod),
    ok = io:setopts(standard_io, [{encoding, unicode}]),
    ok = gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {?MODULE, self()}),
    [Port | Host] = lists:reverse(string:split(address(), ":", trailing)),
    Endpoints = [{string:trim(hd(Host), both, "[]"), list_to_integer(Port)}],
    Connection = login(protocol()) ++ tls(protocol(), element(1, hd(Endpoints))),
    ok = brod:start_client(Endpoints, millrace, Connection),
    [go_to_time(Endpoints, Connection, list_to_integer(Seconds) * 1000) || Seconds <- Arguments],
    {ok, Schema} = file:read_file("record.avsc"),
    {ok, Subscriber} = brod:start_link_group_subscriber_v2(
        #{client => millrace, group_id => group(), topics => [topic()], cb_module => ?MODULE, message_type => message,
          init_data => avro:make_simple_decoder(Schema, []),
          %% When this one dies, the next of the group takes over after 10 s.
          group_config => [{offset_commit_interval_seconds, 1}, {session_timeout_seconds, 10}],
          consumer_config => [{begin_offset, earliest}]}),
    receive stop -> ok end,
    ok = brod_group_subscriber_v2:stop(Subscriber), % commits and leaves the group
    halt(0).

login("SASL" ++ _) ->
    %% brod takes a password as it is on the wire: UTF-8.
    [{sasl, {scram_sha_256, user(), unicode:characters_to_binary(env("MILLRACE_PASSWORD", ""))}}];
login(_) -> [].

tls(Protocol, Host) ->
    case lists:suffix("SSL", Protocol) of
        false -> [];
        true ->
            Authorities = case os:getenv("MILLRACE_CA") of
                false -> {cacerts, public_key:cacerts_get()};
                File -> {cacertfile, File}
            end,
            [{ssl, [Authorities, {verify, verify_peer}, {server_name_indication, Host}, {customize_hostname_check,
                [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]}]}]
    end.

%% Moves the group's checkpoint; the subscriber then begins there.
go_to_time(Endpoints, Connection, Ms) ->
    {ok, Found} = brod:resolve_offset(Endpoints, topic(), 0, Ms, Connection),
    {ok, End} = brod:resolve_offset(Endpoints, topic(), 0, latest, Connection),
    Offset = case Found of -1 -> End; _ -> Found end, % -1: nothing is as young as that
    %% What is committed there is the last record that was handled.
    ok = brod_cg_commits:run(millrace, [{id, group()}, {topic, topic()}, {retention, -1}, {protocol, roundrobin_v2},
                                        {offsets, [{0, Offset - 1}]}]).

%% --- the group's subscriber ---

init(_Assignment, Decode) -> {ok, Decode}.

handle_message(#kafka_message{offset = Offset, value = Value}, Decode) ->
    handle(Offset, maps:from_list(Decode(Value))),
    {ok, commit, Decode}.

%% What your program does with a change; after a crash the last ones come again.
handle(Offset, #{<<"operation">> := Operation, <<"objectName">> := Name} = Record) ->
    case Operation of
        <<"DELETE">> -> print_row(Offset, Record, <<"beforeImages">>);
        <<"DDL">> -> io:format("~b DDL ~ts ~ts~n", [Offset, Name, maps:get(<<"afterImages">>, Record)]);
        _ when Operation =:= <<"INSERT">>; Operation =:= <<"UPDATE">> -> print_row(Offset, Record, <<"afterImages">>);
        _ -> ok % BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second.
    end.

print_row(Offset, #{<<"operation">> := Operation, <<"objectName">> := Name, <<"fields">> := Fields} = Record, Image) ->
    Columns = [[" ", proplists:get_value(<<"name">>, Field), "=", text(Value)]
               || {Field, Value} <- lists:zip(Fields, maps:get(Image, Record))],
    io:format("~b ~ts ~ts~ts~n", [Offset, Operation, Name, Columns]).

%% A column's value; which of the schema's types it has shows in the fields it has.
text(null) -> "NULL";
text(Empty) when is_binary(Empty) -> ""; % EmptyObject: the column is not in the image
text(Fields) -> text_of(maps:from_list(Fields)).

text_of(#{<<"timestamp">> := Seconds, <<"millis">> := Micros}) -> [integer_to_list(Seconds), fraction(Micros)];
text_of(#{<<"year">> := _} = V) -> datetime(V);
text_of(#{<<"timezone">> := Zone, <<"value">> := V}) -> [datetime(maps:from_list(V)), " ", Zone];
text_of(#{<<"charset">> := _, <<"value">> := V}) -> V; % a channel with `text: utf8mb4` has all text in UTF-8
text_of(#{<<"type">> := Type, <<"value">> := V}) when Type =:= <<"enum">>; Type =:= <<"set">>; Type =:= <<"json">> -> V;
text_of(#{<<"type">> := _, <<"value">> := V}) -> string:lowercase(binary:encode_hex(V));
text_of(#{<<"value">> := V}) when is_float(V) -> io_lib:format("~p", [V]);
text_of(#{<<"value">> := V}) -> V.

%% A date has no hour, a TIME no year, a YEAR nothing else; `millis` are microseconds; a TIME may be negative.
datetime(V) ->
    Present = fun(Names) -> [Part || Name <- Names, Part <- [maps:get(Name, V)], Part =/= null] end,
    Join = fun(Separator, Parts) -> lists:join(Separator, [two(abs(Part)) || Part <- Parts]) end,
    Date = Present([<<"year">>, <<"month">>, <<"day">>]),
    Time = Present([<<"hour">>, <<"minute">>, <<"second">>]),
    Micros = maps:get(<<"millis">>, V),
    Sign = case lists:any(fun(Part) -> Part < 0 end, Time ++ [Micros || Micros =/= null]) of true -> "-"; false -> "" end,
    string:trim([Join("-", Date), " ", Sign, Join(":", Time), fraction(Micros)]).

two(Part) when Part < 10 -> [$0, integer_to_list(Part)];
two(Part) -> integer_to_list(Part).

fraction(Micros) when Micros =:= null; Micros =:= 0 -> "";
fraction(Micros) -> io_lib:format(".~6..0b", [abs(Micros)]).

%% --- SIGTERM ---

init({Main, _}) -> {ok, Main}.

handle_event(sigterm, Main) ->
    Main ! stop,
    {ok, Main};
handle_event(_, Main) -> {ok, Main}.

handle_call(_, Main) -> {ok, ok, Main}.
