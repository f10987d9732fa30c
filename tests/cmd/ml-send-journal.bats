# The journal of ml-send: nobody lost, nobody twice.
load common
load sink

sink() { begin_sink "$@"; } # all of a test share the log

people() { seq -f "$1%g@example.org" "$2"; }
# post ID ADDRESS...: a stream, each recipient with a sender of its own.
post() {
  local id=$1
  shift
  stream "$@" | sed -E "s/^message\tx1/message\t$id/; s/^rcpt\t(.*)@(.*)\t-$/rcpt\t\1@\2\tb+\1=\2@x.org/"
}
from_mta=rabcdefghijklmnopqrstuvwxyz # an id as ml-receive makes them
# until_log N: until the sinks have taken N recipients.
until_log() { until [ "$(wc -l <log)" -ge "$1" ]; do sleep 0.01; done; } # polls

# states: the letter of each slot, its octet 20 of 24.
states() { od -An -v -tc -w24 "$ML_HOME"/journal/*/*/slots.0000 2>/dev/null | cut -c84; }
# until_state LETTER: until a recipient is in this state, or $sender has ended.
until_state() { until states | grep -q "$1" || ! kill -0 "$sender"; do sleep 0.01; done; } # polls
# once_or_named: the sink ends; everybody of `in` has it, and who has it twice is named in $output.
once_or_named() {
  sunk
  is "$(rcpts in | sort)" "$(cut -f2 log | sort -u)"
  cut -f2 log | sort | uniq -d >doubled
  grep -o '[^ ]*@[^ ]* may get it twice' <<<"$output" | cut -d' ' -f1 | sort >named
  is "" "$(comm -23 doubled named)"
}

@test "journal: what a mail server hands over again is done and nobody gets it twice" {
  sink
  post $from_mta ann@x.org bob@x.org >in
  ml-send --via "$via" <in
  run ml-send --via "$via" <in
  is 0 "$status"
  [[ "$output" == *"$from_mta was sent on "*" UTC to 2: nothing to do" ]]
  sunk
  is 2 "$(wc -l <log)"
}

@test "journal: what a sendmail program took when a kill came is counted and named" {
  printf '#!/bin/sh\ncat >/dev/null\neval echo \\${$#} >>taken\n[ -e calm ] || kill -9 $PPID\n' >fake
  chmod +x fake
  verp ann@x.org bob@x.org >in
  run ml-send --via "sendmail:$PWD/fake" <in
  is 137 "$status"
  touch calm
  run ml-send --via "sendmail:$PWD/fake" --unanswered hold --undelivered left <in
  is 75 "$status"
  is ann@x.org "$(rcpts left)"
  [[ "${lines[0]}" == "ml-send: ann@x.org may have got it: an earlier run ended before the relay answered" ]]
  run ml-send --via "sendmail:$PWD/fake" <in
  is 0 "$status"
  [[ "$output" == *"1 of 2 may have got it twice"* ]]
  is "ann@x.org bob@x.org ann@x.org" "$(paste -sd' ' taken)"
}

@test "journal: a stream under a name of its own is not sent a second time unless told to" {
  sink
  post spring ann@x.org >in
  ml-send --via "$via" <in
  run ml-send --via "$via" <in
  is 75 "$status"
  [[ "$output" == "ml-send: spring was sent on "*" UTC to 1; --again sends anew" ]]
  is 1 "$(wc -l <log)"
  ml-send --again --via "$via" <in
  sunk
  is 2 "$(wc -l <log)"
}

@test "journal: after a trial the whole reaches everybody else once" {
  sink
  seq -f 'u%g@example.org' 40 >many
  for id in $from_mta spring; do
    : >log
    post $id $(cat many) >in
    ml-rcpts -- head -n 3 <in | ml-send --via "$via"
    run ml-send --via "$via" <in
    is 0 "$status"
    is "ml-send: 3 of 40 have $id already" "$output"
    is "$(sort many)" "$(cut -f2 log | sort)"
    is "40 0 0 done" "$(ml-log | grep "^$id" | cut -f3-6 | tr '\t' ' ')"
    run ml-send --via "$via" <in
    [[ "$output" == "ml-send: $id was sent on "*" UTC to 40"* ]]
    run ml-send --via "$via" < <(ml-rcpts -- tail -n 5 <in)
    [[ "$output" == "ml-send: $id was sent on "*" UTC to 40"* ]]
    is 40 "$(wc -l <log)"
  done
  sunk
}

@test "journal: a sample of a list and then the same without it" {
  sink
  ml-list create news@x.org >/dev/null
  seq -f 'u%g@example.org' 60 | ml-store import news@x.org - >/dev/null
  all() { message | ml-receive --post anyone news@x.org | ml-expand "$@" | ml-verp | ml-send --via "$via"; }
  all --sample 30%
  sampled=$(wc -l <log)
  [ "$sampled" -gt 0 ] && [ "$sampled" -lt 60 ]
  run all
  is 0 "$status"
  [[ "$output" == "ml-send: $sampled of 60 have r"*" already" ]]
  is 60 "$(cut -f2 log | sort -u | wc -l)"
  is 60 "$(wc -l <log)"
  run all
  is 0 "$status"
  [[ "$output" == *"to 60: nothing to do" ]]
  sunk
  is 60 "$(wc -l <log)"
}

@test "journal: killed when it had been opened again it goes on and doubles only those it names" {
  post spring $(people u 30) >in
  for after in 0 1 11 26; do
    : >log
    rm -rf "$ML_HOME/journal"
    sink
    ml-rcpts -- head -n 3 <in | ml-send --via "$via"
    sunk
    sink --fault "dot>$after=silence"
    ml-send --via "$via" --connections 2 <in 2>said 3>&- &
    sender=$!
    until_log $((3 + after))
    until [ ! -e "$(echo "$ML_HOME"/journal/*/spring)/closed" ]; do sleep 0.01; done # polls
    kill -9 $sender
    wait $sender || true
    sunk
    is unfinished "$(ml-log | cut -f6)"
    sink
    run ml-send --via "$via" <in
    echo "after $after: $output"
    is 0 "$status"
    once_or_named
    is "30 0 0 done" "$(ml-log | cut -f3-6 | tr '\t' ' ')"
  done
}

@test "journal: whom an entry keeps is the entry's even after it was tried in vain or killed" {
  sink --fault 'rcpt~c=450 4.2.0 later'
  post $from_mta a@x.org c@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  mkdir -p -m 700 "$ML_HOME"
  ml-send --via "$via" --undelivered queue <in
  entry=$(find "$ML_HOME/queue/outbound" -name "$from_mta")
  run ml-send --via "$via" <"$entry"
  is 75 "$status"
  is "left 450 4.2.0 later" "$(ml-log $from_mta --address c@x.org | cut -f2,5 | tr '\t' ' ')"
  sunk
  sink --fault 'dot=silence'
  run ml-send --via "$via" <in
  [[ "$output" == *"to 1: nothing to do" ]]
  ml-send --via "$via" <"$entry" 3>&- &
  sender=$!
  until_state f
  kill -9 $sender
  wait $sender || true
  sunk
  sink
  # Somebody new is sent to, and he alone.
  ml-send --via "$via" < <(post $from_mta a@x.org b@x.org c@x.org | sed '/^message/s/$/\tlist=news@x.org/')
  is "a@x.org b@x.org" "$(cut -f2 log | sort | paste -sd' ')"
  run ml-send --via "$via" <"$entry"
  is 0 "$status"
  [[ "$output" == *"c@x.org may get it twice"* ]]
  sunk
  is "a@x.org b@x.org c@x.org" "$(cut -f2 log | sort | paste -sd' ')"
}

@test "journal: an entry that another journal has taken over bears the mark of that one alone" {
  sink --fault 'rcpt~c=450 4.2.0 later' --fault 'rcpt~d=450 4.2.0 later'
  post $from_mta a@x.org c@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  mkdir -p -m 700 "$ML_HOME"
  ml-send --via "$via" --undelivered queue <in
  entry=$(find "$ML_HOME/queue/outbound" -name "$from_mta")
  mv "$entry" old
  # Sent anew for somebody else: the journal of the entry is set aside, and the new one has a mark.
  ml-send --again --via "$via" --undelivered queue < <(post $from_mta d@x.org | sed '/^message/s/$/\tlist=news@x.org/')
  find "$ML_HOME/queue/outbound" -name "$from_mta" -delete
  ml-send --via "$via" --undelivered queue <old
  entry=$(find "$ML_HOME/queue/outbound" -name "$from_mta")
  is 1 "$(grep -o 'ml.left=[0-9a-f]*' "$entry" | wc -l)"
  sunk
  sink
  ml-send --via "$via" <"$entry"
  is "a@x.org c@x.org" "$(cut -f2 log | paste -sd' ')"
}

@test "journal: another message under the same name is refused" {
  sink
  post spring ann@x.org >in
  ml-send --via "$via" <in
  run ml-send --via "$via" < <(post spring bob@x.org | sed 's/^\(message\tspring\t[^\t]*\t\)[^\t]*/\1eAo=/')
  is 75 "$status"
  [[ "$output" == *"another message was sent under the id spring"* ]]
  sunk
  is ann@x.org "$(cut -f2 log)"
}

@test "journal: killed at any moment it goes on and doubles only those it names" {
  post $from_mta $(people u 60) >in
  for after in 0 1 7 30 59; do
    for extensions in --without=CHUNKING --chunking; do
      : >log
      rm -rf "$ML_HOME/journal"
      sink $extensions --fault "dot>$after=silence"
      ml-send --via "$via" --connections 2 <in 2>said 3>&- &
      sender=$!
      until_log "$after"
      kill -9 $sender
      wait $sender || true
      sunk
      sink $extensions
      run ml-send --via "$via" <in
      echo "after $after with $extensions: $output"
      is 0 "$status"
      once_or_named
    done
  done
}

@test "journal: those in doubt from a kill are held where that is wished" {
  post $from_mta ann@x.org bob@x.org >in
  sink --fault 'dot>1=silence'
  ml-send --via "$via" --connections 1 <in 2>said 3>&- &
  sender=$!
  until_log 1
  until_state F
  kill -9 $sender
  wait $sender || true
  sunk
  sink
  run ml-send --via "$via" --unanswered hold --undelivered left <in
  is 75 "$status"
  is bob@x.org "$(rcpts left)"
  sunk
  is ann@x.org "$(cut -f2 log)"
}

@test "journal: whoever was delivered to before a kill or a full disk has a line in the log after the next run" {
  post spring unknown@example.org $(people u 60) >in
  rcpts in | sort >all
  sink --fault 'dot>40=silence'
  ml-send --via "$via" --refused refused --sync 3600 --connections 2 <in 3>&- &
  sender=$!
  until_log 40
  until_state F
  kill -9 $sender
  wait $sender || true
  sunk
  sink
  run bash -c "ulimit -f 8; ml-send --via '$via' --refused refused <in" # further, or all of it
  ml-send --via "$via" --refused refused <in || [ $? -eq 75 ]
  sunk
  is "$(cat all)" "$(ml-log spring | cut -f1 | sort)"
  is "$(cut -f2 log | sort -u)" "$(ml-log spring --outcome delivered | cut -f1 | sort)"
  [ "$(ml-log spring | grep -c $'\t-\tnot known: the run ended before it was written\tspring$')" -ge 39 ]
  is "" "$(ml-log spring --all | cut -f1,2 | grep -v unanswered | sort | uniq -d)"
}

@test "journal: one process at a time sends an id" {
  sink --fault 'dot=silence'
  post $from_mta ann@x.org >in
  ml-send --via "$via" <in 3>&- &
  sender=$!
  until [ -s "$(echo "$ML_HOME"/journal/*/*/lock)" ]; do sleep 0.01; done # polls
  run ml-send --via "$via" <in
  is 75 "$status"
  is "ml-send: process $sender is sending $from_mta just now: one at a time" "$output"
  kill -9 $sender
  wait $sender || true
  sunk
}

@test "journal: a changed list gets those who are new and nobody else" {
  sink --fault 'rcpt~c=450 4.2.0 later'
  run ml-send --via "$via" --undelivered left < <(post $from_mta a@x.org b@x.org c@x.org)
  is 75 "$status"
  sunk
  sink
  run ml-send --via "$via" < <(post $from_mta b@x.org c@x.org d@x.org)
  is 0 "$status"
  is "ml-send: 1 of 3 have $from_mta already" "$output"
  sunk
  is "a b c d" "$(cut -f2 log | cut -d@ -f1 | paste -sd' ')"
}

@test "journal: an address spelled otherwise is the same recipient" {
  sink --fault 'rcpt~later=450 4.2.0 later'
  run ml-send --via "$via" --undelivered left < <(post spring Ann@X.org later@x.org)
  run ml-send --via "$via" --undelivered left < <(post spring ann@x.ORG later@x.org)
  sunk
  is 1 "$(grep -c -i ann@ log)"
}

@test "journal: of a list nobody runs the queue for the same again goes on" {
  sink --fault 'rcpt~c=450 4.2.0 later'
  post $from_mta a@x.org c@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  run ml-send --via "$via" <in
  is 75 "$status"
  is "ml-send: 1 of 2 left (450 4.2.0 later); the same again goes on" "$output"
  sunk
  sink
  run ml-send --via "$via" <in
  is 0 "$status"
  sunk
  is "a@x.org c@x.org" "$(cut -f2 log | paste -sd' ')"
}

@test "journal: what is left goes to the queue outbound where it is run and only its entry sends it" {
  sink --fault 'rcpt~c=450 4.2.0 later'
  post $from_mta a@x.org c@x.org d@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  mkdir -p -m 700 "$ML_HOME"
  printf 'end\t0\n' | ml-queue put outbound 2>/dev/null
  ml-queue run outbound --watch -- sh -c 'cat >entry.new; mv entry.new entry' 3>&- &
  runner=$!
  until [ -e "$ML_HOME/queue/outbound/runner.0" ]; do sleep 0.01; done # polls
  run ml-send --via "$via" <in
  is 0 "$status"
  is "ml-send: 1 of 3 left (450 4.2.0 later): the queue outbound" "$output"
  until [ -e entry ]; do sleep 0.01; done # polls
  is c@x.org "$(rcpts entry)"
  run ml-send --via "$via" <in
  is 0 "$status"
  sunk
  sink
  ml-send --via "$via" <entry
  run ml-send --via "$via" <entry
  is 0 "$status"
  sunk
  is "a@x.org c@x.org d@x.org" "$(cut -f2 log | sort | paste -sd' ')"
}

@test "journal: the entry of a queue waits for the sender that is about to let the journal go" {
  post $from_mta a@x.org c@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  mkdir -p -m 700 "$ML_HOME"
  sink --fault 'rcpt~c=450 4.2.0 later'
  run ml-send --via "$via" --undelivered queue <in
  is 0 "$status"
  sunk
  ml-queue show outbound "$(ml-queue list outbound | cut -f1)" >entry
  sink --fault 'dot=silence'
  silent=$sink
  ml-send --via "$via" --max-wait 1 --undelivered queue 2>/dev/null 3>&- \
    < <(post $from_mta d@x.org | sed '/^message/s/$/\tlist=news@x.org/') &
  sender=$!
  until [ "$(cat "$ML_HOME"/journal/*/*/lock)" = $sender ]; do sleep 0.01; done # polls
  sink
  ml-send --via "$via" <entry 2>said 3>&- &
  waits=$!
  until ls -l /proc/$waits/fd | grep -q inotify || ! kill -0 $waits; do sleep 0.01; done # polls
  kill $silent
  wait $sender
  wait $waits || { cat said; false; }
  sunk
  is "a@x.org c@x.org" "$(cut -f2 log | paste -sd' ')"
}

@test "journal: a sender that waits for a journal hears that it is to end" {
  sink --fault 'dot=silence'
  stream a@x.org >in
  ml-send --via "$via" <in 2>/dev/null 3>&- &
  sender=$!
  until [ "$(cat "$ML_HOME"/journal/*/*/lock)" = $sender ]; do sleep 0.01; done # polls
  sed '/^message/s/$/\tml.left=0123456789abcdef/' in >entry
  ml-send --via "$via" <entry 2>said 3>&- &
  waits=$!
  until ls -l /proc/$waits/fd | grep -q inotify || ! kill -0 $waits; do sleep 0.01; done # polls
  kill $waits
  local status=0
  wait $waits || status=$?
  cat said
  is 75 $status
  grep -q "told to stop while process $sender is sending x1" said
  kill $sender $sink
}

@test "journal: whoever waits in a queue longer than journals are kept is sent to all the same" {
  sink --fault 'rcpt~c<1=450 4.2.0 later'
  post $from_mta a@x.org c@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  mkdir -p -m 700 "$ML_HOME"
  printf 'end\t0\n' | ml-queue put outbound 2>/dev/null
  ml-send --via "$via" --undelivered queue <in
  ml-queue hold outbound $from_mta
  long_ago=$(($(date +%s) - 20 * 86400))
  age() {
    sed -i "s/^time .*/time $long_ago/" "$ML_HOME"/journal/*/$from_mta/closed
    touch -d "@$long_ago" "$ML_HOME"/journal/*/*/
  }
  age
  ml-log --prune
  is $'a@x.org\tdelivered\nc@x.org\tleft' "$(ml-log $from_mta | cut -f1,2)"
  echo 'give-up = 2592000' >"$ML_HOME/lists.toml"
  mv "$ML_HOME"/queue/outbound/held/$from_mta entry
  ml-log --prune
  is 2 "$(ml-log $from_mta | wc -l)"
  rm "$ML_HOME/lists.toml"
  ml-log --prune
  is 0 "$(ml-log $from_mta | wc -l)"
  # Even then the entry is what is left, and nobody else is sent to.
  ml-queue put --name $from_mta outbound <entry 2>/dev/null
  ml-queue run outbound -- ml-send --via "$via"
  sunk
  is "a@x.org c@x.org" "$(cut -f2 log | sort | paste -sd' ')"
  is "" "$(ml-queue list outbound)"
}

@test "journal: where the queue cannot be written the left of other messages get their file" {
  sink --fault 'rcpt=450 4.2.0 later'
  { post $from_mta a@x.org | sed '/^message/s/$/\tlist=news@x.org/'; post spring b@x.org; } >in
  mkdir -p -m 700 "$ML_HOME"
  echo "via = \"$via\"" >"$ML_HOME/lists.toml"
  touch "$ML_HOME/queue"
  run ml-send <in
  is 75 "$status"
  [[ "$output" == *"1 left, and they cannot be queued"* ]]
  is b@x.org "$(rcpts "$ML_HOME"/left/*)"
  rm "$ML_HOME/queue"
  sunk
  sink
  ml-send --via "$via" <in
  sunk
  is "a@x.org b@x.org" "$(cut -f2 log | sort | paste -sd' ')"
}

@test "journal: a refusal that a kill kept from being told is told by the next run" {
  post $from_mta unknown@x.org bob@x.org >in
  sink --fault 'dot=silence'
  ml-send --via "$via" --refused refused --connections 1 <in 3>&- &
  sender=$!
  until_state F
  kill -9 $sender
  wait $sender || true
  sunk
  is "" "$(rcpts refused)"
  sink
  run ml-send --via "$via" --refused refused <in
  is 0 "$status"
  is unknown@x.org "$(rcpts refused)"
  sunk
  run ml-send --via "$via" --refused refused2 <in
  is "" "$(rcpts refused2)"
}

@test "journal: of an entry that is tried again and again each refusal is told once" {
  sink --fault 'rcpt~b=450 4.2.0 later' --fault 'rcpt~c=450 4.2.0 later'
  post $from_mta a@x.org b@x.org c@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  mkdir -p -m 700 "$ML_HOME"
  ml-send --via "$via" --undelivered queue <in 2>/dev/null
  sunk
  ml-queue show outbound "$(ml-queue list outbound | cut -f1)" >entry
  sink --fault 'rcpt~c=450 4.2.0 later' --fault 'rcpt~b=550 5.1.1 nobody'
  for round in 1 2 3; do
    run ml-send --via "$via" --refused refused.$round <entry
    is 75 "$status"
  done
  sunk
  is "b@x.org" "$(rcpts refused.1)"
  is "" "$(rcpts refused.2 refused.3)"
}

@test "journal: what one stream left is not forgotten when another one of the message is done" {
  sink --fault 'rcpt~u<2=450 4.2.0 later'
  post $from_mta u1@x.org u2@x.org >first
  post $from_mta v3@x.org >second
  run ml-send --via "$via" --undelivered left <first
  is 75 "$status"
  ml-send --via "$via" <second
  is unfinished "$(ml-log | cut -f6)"
  long_ago=$(($(date +%s) - 15 * 86400))
  sed -i "s/^time .*/time $long_ago/" "$ML_HOME"/journal/*/*/closed 2>/dev/null || true
  touch -d "@$long_ago" "$ML_HOME"/journal/*/*/
  ml-log --prune
  run ml-send --via "$via" <left
  is 0 "$status"
  sunk
  is "u1@x.org u2@x.org v3@x.org" "$(cut -f2 log | sort | paste -sd' ')"
  is done "$(ml-log | cut -f6)"
}

@test "journal: sections of one message are one message" {
  sink
  { post spring a@x.org b@x.org; post spring b@x.org c@x.org; } >in
  ml-send --via "$via" <in
  sunk
  is "a@x.org b@x.org c@x.org" "$(cut -f2 log | sort | paste -sd' ')"
}

@test "journal: trials keep none" {
  post spring ann@x.org >in
  for via in null: bsmtp:out maildir:dir; do
    ml-send --via $via <in
    ml-send --via $via <in
  done
  [ ! -e "$ML_HOME/journal" ]
}

@test "journal: a full disk sends nobody whose outcome could not be kept" {
  sink
  post spring $(people u 400) >in
  run bash -c "ulimit -f 8; ml-send --via $via <in"
  is 75 "$status"
  [[ "$output" == *"; stopped, "*" delivered; the same again goes on" ]]
  sunk
  [ "$(wc -l <log)" -lt 400 ]
  sink
  run ml-send --via "$via" <in
  is 0 "$status"
  sunk
  is "$(rcpts in | sort)" "$(cut -f2 log | sort)"
}

@test "journal: where the disk is full for the log whoever is in flight is heard out and nobody gets it twice" {
  local option kind number=0
  for kind in own shared; do
    for option in --quickack --chunking; do
      : >log
      sink $option
      post full$((++number)) $(people u 400) >in
      [ $kind = own ] || sed -i 's/\tb+[^\t]*$/\t-/' in
      # There is room for outcomes, not for all lines of the log.
      run bash -c "ulimit -f 16; ml-send --via $via --undelivered left <in"
      is 75 "$status"
      [ ! -e left ] # an empty one would say that nobody is left
      [[ "$output" == *"; stopped, $(wc -l <log) delivered; the same again goes on" ]]
      ml-send --via "$via" <in
      sunk
      is "$(rcpts in | sort)" "$(cut -f2 log | sort)"
    done
  done
}

# synced_rounds FILE: rounds of syncs that a trace has seen, of what became of recipients.
synced_rounds() { grep -c 'fdatasync(.*/slots' "$1" || true; }

@test "journal: it is synced each second though nothing more comes and as often as one wishes" {
  sink
  local tracers=() i=0 options=(--sync=3600 --sync=1 --sync=0)
  for option in "${options[@]}"; do
    mkfifo "pipe$i"
    strace -fy -qq -e trace=fdatasync -o "trace$i" ml-send --home "home$i" $option --via "$via" <"pipe$i" 3>&- &
    tracers+=($!)
    i=$((i + 1))
  done
  exec 7>pipe0 8>pipe1 9>pipe2
  for fd in 7 8 9; do post spring a@x.org | sed '$d' >&$fd; done
  until [ "$(synced_rounds trace1)" -ge 1 ] && [ "$(synced_rounds trace2)" -ge 1 ]; do sleep 0.01; done # polls
  is 0 "$(synced_rounds trace0)"
  for fd in 7 8 9; do echo $'end\t0' >&$fd; done
  exec 7>&- 8>&- 9>&-
  for tracer in "${tracers[@]}"; do wait "$tracer"; done
  sunk
  is 3 "$(wc -l <log)"
}

# What is not synced is dropped (see tests/tools/power-cut.cpp), at each sync of the run in turn.
@test "journal: a power cut loses nobody and doubles two rounds of syncs at most" {
  post $from_mta $(people u 45000) >in
  local cut=100 at in_flight=2000 round=10000
  for ((at = 1; cut == 100; at++)); do
    rm -rf "$ML_HOME" log
    mkdir "$ML_HOME"
    sink --chunking
    cut=0
    power-cut "$ML_HOME" $at ml-send --via "$via" <in 2>said || cut=$?
    sunk
    sink --chunking
    ml-send --via "$via" <in 2>>said || { cat said; return 1; }
    sunk
    cut -f2 log | LC_ALL=C sort | uniq -c | awk '{ n++; if ($1 > 2) more++; if ($1 == 2) twice++ }
      END { print n + 0, more + 0, twice + 0 }' >counted
    read -r all more doubled <counted
    echo "sync $at: $all got it, $doubled of them twice; $(head -c 300 said)"
    is "45000 0" "$all $more"
    [ "$doubled" -le $((2 * round + in_flight)) ]
  done
  is "0 0" "$cut $doubled"
}

@test "journal: hundreds of messages at once need no more descriptors than there are" {
  sink
  for i in $(seq 300); do stream "u$i@x.org" | sed "s/^message\tx1/message\tm$i/"; done >in
  run bash -c "ulimit -n 512; ml-send --sync 0 --via $via <in"
  is "" "$output"
  is 0 "$status"
  sunk
  is 300 "$(sort -u log | wc -l)"
}

@test "journal: a sender that is given no thread syncs by itself" {
  [ "$(id -u)" = 0 ] || skip "to become another user takes root"
  sink
  stream $(people u 10500) >in
  chmod 711 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null
  install -d -o 65533 home2
  local nobody="setpriv --reuid=65533 --regid=65533 --clear-groups --"
  $nobody test -x "$(command -v ml-send)" || skip "others cannot run what stands in the user's own directory"
  run $nobody bash -c 'ulimit -u 1; exec ml-send --home "$1" --via "$2"' - "$PWD/home2" "$via" <in
  is "" "$output"
  is 0 "$status"
  sunk
  is 10500 "$(cut -f2 log | sort -u | wc -l)"
}
