# Entries of recipients, some of whom are settled: what stays of them, and who is told in the end.
load common
load sink

sink() { begin_sink "$@"; } # all of a test share the log

until_true() {
  local i
  for ((i = 0; i < 1000; ++i)); do "$@" && return; sleep 0.01; done # polls
  echo "never came true: $*"
  cat errors
  return 1
}

id=rabcdefghijklmnopqrstuvwxyz # as ml-receive makes them

# post ADDRESS...: a stream of the list news.
post() { stream "$@" | sed "s/^message\tx1\(.*\)/message\t$id\1\tlist=news@x.org/"; }

# home: with a runner of bounces that writes to the file told.
home() {
  mkdir -m 700 "$ML_HOME"
  ml-queue run bounces --watch -- 'cat >>told' 3>&- &
  runner=$!
  has_runner() { ml-queue list | grep -q '^bounces.*	runner'; }
  until_true has_runner
}

# waits QUEUE: the recipients in its entries.
waits() {
  ml-queue list "$1" | cut -f1 | while read -r name; do ml-queue show "$1" "$name"; done |
    grep ^rcpt | cut -f2 | sort | paste -sd' '
}
# told STATUS: whom ml-bounce was told of with it.
told() { grep "status=$1" told 2>/dev/null | cut -f2 | sort | paste -sd' '; }
# attempt QUEUE COMMAND...: one more, when its time has come.
attempt() {
  local queue=$1 attempts
  shift
  attempts=$(ml-queue list "$queue" | cut -f7)
  attempted() {
    ml-queue run "$queue" --pause 1 --max-pause 1 "$@" 2>>errors
    [ "$(ml-queue list "$queue" | cut -f7)" != "$attempts" ]
  }
  until_true attempted "$@"
}
# give_up QUEUE: what it holds is too old, and then it is told.
give_up() {
  local queue=$1 place
  place=$(find "$ML_HOME/queue/$queue" -name $id)
  touch -d '2 days ago' "$place"
  ml-queue run "$queue" --pause 1 --give-up 86400 -- 'cat >/dev/null; exit 75' 2>>errors
  gone() {
    ml-queue run "$queue" --pause 1 --give-up 86400 -- false 2>>errors
    [ -z "$(find "$ML_HOME/queue/$queue" -name $id)" ]
  }
  until_true gone
}

@test "an entry keeps who is left and only he is told that it was given up" {
  home
  sink --fault 'rcpt~c=450 4.2.0 later' --fault 'rcpt~d=450 4.2.0 later' --fault 'rcpt~e=450 4.2.0 later'
  post a@x.org c@x.org d@x.org e@x.org >in
  ml-send --via "$via" --max-wait 0 --undelivered queue <in
  is "c@x.org d@x.org e@x.org" "$(waits outbound)"
  sunk
  sink --fault 'rcpt~c=450 4.2.0 later' --fault 'rcpt~e=550 5.1.1 nobody'
  for _ in 1 2 3; do attempt outbound -- ml-send --via "$via" --max-wait 0 --refused queue; done
  is "c@x.org" "$(waits outbound)"
  is "later 1 3" "$(ml-queue list outbound | cut -f2,5,7 | tr '\t' ' ')"
  [[ "$(ml-queue list outbound | cut -f8)" == "ml-send: 1 of 1 left (450 4.2.0 later)"* ]]
  give_up outbound
  until_true grep -q 'c@x.org.*status=4.4.7' told
  is "c@x.org" "$(told 4.4.7)"
  is "e@x.org" "$(told 5.1.1)"
  is 2 "$(grep -c ^rcpt told)"
  is "" "$(grep ml.left= told)"
  is "" "$(ml-queue list failed)"
}

@test "who is given up is told of with what the last attempt met" {
  home
  sink --fault 'rcpt=452 4.2.2 mailbox full'
  ml-send --via "$via" --max-wait 0 --undelivered queue < <(post c@x.org D@x.org)
  sunk
  sink --fault 'rcpt~c=450 4.7.1 greylisted' --fault 'rcpt=452 4.2.2 mailbox still full'
  attempt outbound -- ml-send --via "$via" --max-wait 0
  local last=$via
  sunk
  give_up outbound
  until_true grep -q 'D@x.org.*status=4.4.7' told
  is "c@x.org|status=4.4.7|reply=450 4.7.1 greylisted|relay=$last
D@x.org|status=4.4.7|reply=452 4.2.2 mailbox still full|relay=$last" \
    "$(grep ^rcpt told | cut -f2,4- | tr '\t' '\n' | grep -v ^attempts= | paste -sd'|' | sed 's/|D@/\nD@/')"
}

@test "who was not even tried in the last attempt is told of with why" {
  home
  sink --fault 'rcpt=452 4.2.2 mailbox full'
  ml-send --via "$via" --max-wait 0 --undelivered queue < <(post c@x.org)
  sunk
  attempt outbound -- ml-send --via smtp://127.0.0.1:1 --max-wait 0
  give_up outbound
  until_true grep -q status=4.4.7 told
  is 1 "$(grep -c 'reply=451 4.4.2 cannot connect' told)"
  is 0 "$(grep -c relay= told)"
}

@test "an entry whose journal is damaged is for a person in the end and nobody is told" {
  home
  sink --fault 'rcpt~c=450 4.2.0 later'
  ml-send --via "$via" --max-wait 0 --undelivered queue < <(post a@x.org c@x.org)
  local head
  head=$(echo "$ML_HOME"/journal/*/$id/head)
  truncate -s 40 "$head"
  attempt outbound -- ml-send --via "$via" --max-wait 0
  [[ "$(ml-queue list outbound | cut -f8)" == "ml-send: $head is damaged, and nobody knows who has $id "* ]]
  give_up outbound
  is "" "$(cat told 2>/dev/null)"
  is "$id@outbound" "$(ml-queue list failed | cut -f1)"
  [[ "$(ml-queue list failed)" == *"4.4.7 given up after 86400 s: $head is damaged, and nobody knows who has $id "* ]]
  # What it says helps.
  sunk
  sink
  mv "${head%/head}" "${head%/head}~aside"
  ml-queue show failed $id@outbound | ml-send --via "$via"
  is "a@x.org c@x.org" "$(cut -f2 log | paste -sd' ')"
}

@test "an entry that a sender was killed over keeps nobody who has the message" {
  home
  sink --fault 'rcpt=450 4.2.0 later'
  ml-send --via "$via" --max-wait 0 --undelivered queue < <(post a@x.org b@x.org)
  sunk
  sink --fault 'rcpt~b=450 4.2.0 later'
  attempt outbound -- "ml-send --via $via --max-wait 0; kill -9 \$\$"
  is "b@x.org" "$(waits outbound)"
}

@test "an entry of whom nobody is left stays as it is while its command fails" {
  home
  sink --fault 'rcpt=450 4.2.0 later'
  ml-send --via "$via" --max-wait 0 --undelivered queue < <(post a@x.org b@x.org)
  sunk
  sink
  attempt outbound -- "ml-send --via $via; exit 75"
  is "a@x.org b@x.org" "$(waits outbound)"
  is "a@x.org b@x.org" "$(cut -f2 log | sort | paste -sd' ')"
  # ...and nobody is told of it in the end.
  give_up outbound
  is "" "$(cat told 2>/dev/null)"
  is "" "$(ml-queue list failed)"
}

@test "an entry that no sender has made is whole until it is given up and then who has the message is not told" {
  home
  sink --fault 'rcpt~c=450 4.2.0 later'
  post 'D@x.org' 'bücher@bücher.example' c@x.org >in
  ml-queue put q <in 2>/dev/null
  attempt q -- ml-send --via "$via" --max-wait 0 --undelivered left
  is 3 "$(waits q | wc -w)"
  is c@x.org "$(rcpts left)"
  give_up q
  until_true grep -q 'status=4.4.7' told
  is "c@x.org" "$(told 4.4.7)"
  is 1 "$(grep -c ^rcpt told)"
}

@test "an entry under the name of another message is told of as a whole" {
  home
  sink
  post a@x.org | sed "s/$id/spring/" | ml-send --via "$via"
  id=spring
  stream a@x.org b@x.org | sed "1s/^message\tx1\t\(.*\)\t.*/message\tspring\t\1\t$(printf 'Subject: other\n\nother\n' | base64 -w0)\tlist=news@x.org/" |
    ml-queue put q 2>/dev/null
  attempt q -- 'cat >/dev/null; exit 75'
  give_up q
  until_true grep -q 'status=4.4.7' told
  is "a@x.org b@x.org" "$(told 4.4.7)"
}

@test "an entry whose message is being sent is not given up meanwhile" {
  home
  sink --fault 'dot=silence'
  post a@x.org >in
  ml-queue put q <in 2>/dev/null
  ml-send --via "$via" <in 3>&- 2>/dev/null &
  sender=$!
  is_sending() { grep -qs $sender "$ML_HOME"/journal/*/*/lock; }
  until_true is_sending
  touch -d '2 days ago' "$(find "$ML_HOME/queue/q" -name $id)"
  attempt q --pause 1 --give-up 86400 -- 'cat >/dev/null; exit 75'
  refused_to_give_up() {
    ml-queue run q --pause 1 --give-up 86400 -- false 2>&1 |
      grep -q "is not given up yet: process $sender is sending $id just now"
  }
  until_true refused_to_give_up
  is "a@x.org" "$(waits q)"
  kill -9 $sender
  wait $sender || true
}

@test "ml-queue run: an entry is not replaced by what does not hold all who are left" {
  sink --fault 'rcpt~ann=450 4.2.0 later' --fault 'rcpt~gone=550 5.1.1 unknown'
  { stream ann@example.org; stream bob@example.org | sed 's/^message\tx1/message\tx2/'; } >in
  run ml-send --via smtp://127.0.0.1:1 --max-wait 0 --undelivered left < <(stream bob@example.org | sed 's/^message\tx1/message\tx2/')
  exec 5<>"$(echo "$ML_HOME"/journal/*/x2/lock)"
  flock 5
  ml-queue put q <in 2>errors
  ml-queue run q -- ml-send --via "$via" --max-wait 0 --undelivered - 5>&- 2>>errors || true
  is "ann@example.org bob@example.org" "$(waits q)"
  exec 5>&-
  stream gone@example.org ann@example.com | sed 's/^message\tx1/message\tx3/' | ml-queue put r 2>>errors
  ml-queue run r -- ml-send --via "$via" --max-wait 0 --refused - 2>>errors || true
  is "ann@example.com gone@example.org" "$(waits r)"
}

@test "ml-queue run: what a command that died left behind reads on where it was" {
  home
  sink --fault 'rcpt=450 4.2.0 later'
  post $(seq -f 'u%g@x.org' 3000) >in
  ml-send --via "$via" --max-wait 0 --undelivered queue <in 2>errors
  ml-queue show outbound $id >entry
  # The first process of the command dies; the one behind it has read a part and goes on later.
  cat >command <<'END'
exec 4<&0 # or what stands in the background reads nothing
(dd bs=1000 count=1 of=begun status=none && mv begun part
 until [ -e go ]; do sleep 0.01; done # polls
 cat >rest && mv rest end) <&4 2>>errors &
until [ -e part ]; do sleep 0.01; done # polls
kill -9 $$
END
  ml-queue run outbound --pause 1 -- sh command 3>&- 2>>errors || true
  touch go
  until_true test -e end
  cat part end | cmp - entry
}

@test "ml-queue run: an entry that its command would queue again stays" {
  home
  post a@x.org b@x.org >in
  ml-send --via smtp://127.0.0.1:1 --max-wait 0 --undelivered queue <in 2>errors
  for _ in 1 2; do attempt outbound -- ml-send --via smtp://127.0.0.1:1 --max-wait 0 --undelivered queue; done
  is "a@x.org b@x.org" "$(waits outbound)"
}

# sent: to whom the relay has had a copy so far.
sent() { cut -f2 log | sort | paste -sd' '; }
# left_to_outbound: c@x.org and d@x.org wait there, a@x.org has it.
left_to_outbound() {
  sink --fault 'rcpt~c=450 4.2.0 later' --fault 'rcpt~d=450 4.2.0 later'
  post a@x.org c@x.org d@x.org unknown@x.org >in
  ml-send --via "$via" --max-wait 0 --undelivered queue --refused queue <in 2>>errors
  is "c@x.org d@x.org" "$(waits outbound)"
  sunk
}

@test "who was given up gets the same message when it is posted again and nobody else does" {
  home
  left_to_outbound
  sink
  ml-send --via "$via" <in 2>>errors
  is "a@x.org" "$(sent)"
  is $'c@x.org\tleft d@x.org\tleft' "$(ml-log $id --outcome left | cut -f1,2 | paste -sd' ')"
  give_up outbound
  until_true grep -q 'c@x.org.*status=4.4.7' told
  grep -q "$id of the queue outbound: 2 of 4 recipients: 4.4.7 given up after" errors
  is $'c@x.org\tgiven-up\t450 4.2.0 later d@x.org\tgiven-up\t450 4.2.0 later' \
    "$(ml-log $id --outcome given-up | cut -f1,2,5 | paste -sd' ')"
  is $'1\t1\t2\tgiven-up' "$(ml-log | cut -f3-6)"
  ml-send --via "$via" <in 2>>errors
  is "a@x.org c@x.org d@x.org" "$(sent)"
  is $'3\t1\t0\tdone' "$(ml-log | cut -f3-6)"
  ml-send --via "$via" <in 2>>errors
  is "a@x.org c@x.org d@x.org" "$(sent)"
}

@test "ml-queue remove: whom the entry kept gets the same message when it is posted again" {
  home
  left_to_outbound
  ml-queue show outbound $id >entry
  ml-queue remove outbound $id
  is given-up "$(ml-log | cut -f6)"
  # Some of them are left once more, to another entry.
  sink --fault 'rcpt~d=450 4.2.0 later'
  ml-send --via "$via" --max-wait 0 --undelivered queue <in 2>>errors
  is "d@x.org" "$(waits outbound)"
  is "a@x.org c@x.org" "$(sent)"
  is queued "$(ml-log | cut -f6)"
  sunk
  # The entry that was removed, as a power cut may bring it back, and the new one.
  sink
  ml-queue put outbound <entry 2>>errors
  ml-queue run outbound --until-empty --pause 1 --max-pause 1 -- ml-send --via "$via" 2>>errors
  is "a@x.org c@x.org d@x.org" "$(sent)"
  is "" "$(waits outbound)"
  is done "$(ml-log | cut -f6)"
}

@test "what has failed keeps its recipients until it is retried or removed" {
  home
  left_to_outbound
  ml-queue run outbound -- 'cat >/dev/null; exit 65' 2>>errors
  sink
  ml-send --via "$via" <in 2>>errors
  is "a@x.org" "$(sent)"
  is queued "$(ml-log | cut -f6)"
  ml-queue run failed -- ml-send --via "$via" 2>>errors
  is "a@x.org c@x.org d@x.org" "$(sent)"
  ml-send --via "$via" <in 2>>errors
  is "a@x.org c@x.org d@x.org" "$(sent)"
}

@test "ml-queue remove: an entry whose message is being sent stays" {
  home
  left_to_outbound
  exec 5<>"$(echo "$ML_HOME"/journal/*/$id/lock)"
  flock 5
  run ml-queue remove outbound $id 5>&-
  is 75 "$status"
  [[ "$output" == *"$id stays in the queue outbound: process "*" is sending $id just now"* ]]
  exec 5>&-
  is "c@x.org d@x.org" "$(waits outbound)"
  ml-queue remove outbound $id
  is "" "$(waits outbound)"
}
