load common
load sink

sink() { begin_sink "$@"; }

post() { # post ID LIST ADDRESS...
  local id=$1 list=$2
  shift 2
  stream "$@" | sed -E "s/^message\tx1(.*)/message\t$id\1\tlist=$list/"
}

@test "ml-log: each recipient with what came of it in the order of octets" {
  sink --fault 'rcpt~c<1=450 4.2.0 later'
  post spring news@x.org unknown@x.org c@x.org Ann@x.org bob@x.org >in
  run ml-send --via "$via" --undelivered left <in
  is 75 "$status"
  is $'Ann@x.org\tdelivered\nbob@x.org\tdelivered\nc@x.org\tdeferred\nunknown@x.org\trefused' \
    "$(ml-log spring | cut -f1,2)"
  is "550 5.1.1 User unknown" "$(ml-log spring --outcome refused | cut -f5)"
  is "$via" "$(ml-log --address ANN@x.org | cut -f4)"
  ml-send --via "$via" <left
  is "c@x.org" "$(ml-log spring --outcome delivered | cut -f1 | sed -n 3p)"
  is $'deferred\ndelivered' "$(ml-log spring --all --address c@x.org | cut -f2)"
  run ml-log spring --outcome deferred
  is 1 "$status"
}

@test "ml-log: messages by list and by Message-ID with their counts" {
  sink
  post spring news@x.org ann@x.org unknown@x.org | ml-send --via "$via"
  post fall other@x.org ann@x.org | ml-send --via "$via"
  is $'fall\t1\t0\t0\tdone\tother@x.org\t<1@example.org>\nspring\t1\t1\t0\tdone\tnews@x.org\t<1@example.org>' \
    "$(ml-log | cut -f1,3- | sort)"
  is spring "$(ml-log --list NEWS@x.org | cut -f1)"
  is 3 "$(ml-log --message-id 1@example.org | wc -l)"
  run ml-log --list none@x.org
  is 1 "$status"
}

@test "ml-log: a message whose recipients wait in the queue outbound is queued and not done" {
  sink --fault 'rcpt~c=450 4.2.0 later'
  post spring news@x.org c@x.org ann@x.org | ml-send --via "$via" --undelivered queue
  is $'1\t0\t1\tqueued' "$(ml-log --list news@x.org | cut -f3-6)"
  is queued "$(ml-log --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["state"])')"
  # Whether it was tried in vain meanwhile or not.
  entry=$(find "$ML_HOME/queue/outbound" -name spring)
  run ml-send --via "$via" <"$entry"
  is 75 "$status"
  is $'1\t0\t1\tqueued' "$(ml-log | cut -f3-6)"
  is c@x.org "$(ml-log spring --outcome left | cut -f1)"
  run ml-log spring --outcome deferred
  is 1 "$status"
  sunk
  sink
  ml-send --via "$via" <"$entry"
  is $'2\t0\t0\tdone' "$(ml-log | cut -f3-6)"
}

@test "ml-log: who was given up or removed is queued no more" {
  sink --fault 'rcpt~c=450 4.2.0 later'
  for id in spring fall; do
    post $id news@x.org c@x.org ann@x.org | ml-send --via "$via" --undelivered queue
  done
  states() { ml-log | cut -f1,6 | sort | paste -sd' '; }
  ml-queue remove outbound fall
  is $'fall\tgiven-up spring\tqueued' "$(states)"
  ml-queue run outbound -- 'cat >/dev/null; exit 65' 2>/dev/null
  is spring@outbound "$(ml-queue list failed | cut -f1)"
  is $'fall\tgiven-up spring\tqueued' "$(states)"
  # The records of whom it was are none of it.
  ml-queue show failed spring@outbound | ml-queue put bounces 2>/dev/null
  ml-queue remove failed spring@outbound
  is $'fall\tgiven-up spring\tgiven-up' "$(states)"
}

@test "ml-log: JSON is JSON" {
  sink
  post spring news@x.org ann@x.org 'b"q@x.org' | ml-send --via "$via" || true
  ml-log --json | python3 -c 'import json,sys; m=json.load(sys.stdin); assert m[0]["id"]=="spring" and m[0]["delivered"]==1, m'
  ml-log spring --json | python3 -c 'import json,sys; assert [r["outcome"] for r in json.load(sys.stdin)].count("delivered")==1'
  is "[]" "$(ml-log nothing --json)"
}

@test "ml-log: what was done long ago is forgotten but not sent again" {
  sink
  post spring news@x.org ann@x.org >in
  post fall news@x.org ann@x.org later@x.org >in2
  ml-send --via "$via" <in
  run ml-send --via "$via" --undelivered left <in2
  long_ago=$(($(date +%s) - 15 * 86400))
  sed -i "s/^time .*/time $long_ago/" "$ML_HOME"/journal/*/spring/closed
  touch -d "@$long_ago" "$ML_HOME"/journal/*/*/
  ml-log --prune
  run ml-log spring
  is 1 "$status"
  is $'spring\t1' "$(ml-log | grep spring | cut -f1,3)"
  is 2 "$(ml-log fall | wc -l)"
  run ml-send --via "$via" <in
  is 75 "$status"
  [[ "$output" == *"spring was sent on"* ]]
  sed -i "s/^time .*/time 1/" "$ML_HOME"/journal/*/spring/closed
  touch -d "@$long_ago" "$ML_HOME"/journal/*/spring/
  ml-log --prune
  ml-send --via "$via" <in
}

@test "ml-log: a journal in use is not pruned and says that it is being sent" {
  sink --fault 'dot=silence'
  post spring news@x.org ann@x.org >in
  ml-send --via "$via" <in 3>&- &
  sender=$!
  until [ "$(ml-log 2>/dev/null | cut -f6)" = sending ]; do sleep 0.01; done # polls
  ml-log --prune
  is sending "$(ml-log | cut -f6)"
  kill -9 $sender
  wait $sender || true
  is unfinished "$(ml-log | cut -f6)"
}

@test "ml-log: a directory that cannot be read to its end is no shorter one" {
  sink
  post spring news@x.org ann@x.org | ml-send --via "$via"
  strace -qqo calls -e trace=getdents64 ml-log
  [ "$(wc -l <calls)" -ge 4 ]
  for when in $(seq "$(wc -l <calls)"); do
    run strace -qqo /dev/null -e inject=getdents64:error=EIO:when="$when" ml-log
    is 75 "$status"
    [[ "$output" == *"ml-log: cannot read the directory $ML_HOME/journal"*": Input/output error" ]]
  done
}
