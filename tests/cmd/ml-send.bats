bats_require_minimum_version 1.5.0
load common
load sink

# settled_once FILE: each recipient of the stream is in exactly one of the sink's log, refused
# and left.
settled_once() {
  is "$(rcpts "$1" | sort)" "$({ cut -f2 log; rcpts refused; rcpts left; } | sort)"
}

people() { seq -f "$1%g@example.org" "$2"; }

@test "ml-send: the help fits a screen" {
  ml-send --help >help
  [ "$(wc -l <help)" -le 24 ]
  [ "$(wc -L <help)" -le 80 ]
}

@test "ml-send: everybody gets the message as it was and nothing is said" {
  sink
  stream ann@example.org bob@example.com >in
  run ml-send --via "$via" <in
  is 0 "$status"
  is "" "$output"
  sunk
  is "messages 1 recipients 2 refused 0 connections 1 violations 0" "$(cat counts)"
  is "$(message)" "$(tr -d '\r' <mail/1.eml)"
}

@test "ml-send: recipients of one sender share a message and a sender of one's own has its own" {
  sink
  { stream a@x.org b@x.org c@x.org; verp d@x.org e@x.org; } >in
  ml-send --via "$via" <in
  sunk
  is "1 1 1 2 3" "$(cut -f3 log | paste -sd' ')"
  is $'b+e=x.org@x.org\te@x.org' "$(tail -n1 log | cut -f1,2)"
}

@test "ml-send: the null sender stays null" {
  sink
  stream a@x.org | sed 's/-$/<>/' | ml-send --via "$via"
  sunk
  is $'<>\ta@x.org' "$(cut -f1,2 log)"
}

@test "ml-send: a thousand senders go over one connection" {
  sink
  verp $(people u 1000) | ml-send --connections 1 --via "$via"
  sunk
  is "messages 1000 recipients 1000 refused 0 connections 1 violations 0" "$(cat counts)"
}

@test "ml-send: a refused recipient is kept in the home with its reply and the status is 0" {
  sink
  run ml-send --via "$via" < <(stream ann@example.org unknown@example.org)
  is 0 "$status"
  is "ml-send: 1 of 2 refused: $ML_HOME/refused/x1" "$output"
  is $'unknown@example.org\t-\tstatus=5.1.1\treply=550 5.1.1 User unknown' \
    "$(grep ^rcpt "$ML_HOME/refused/x1" | cut -f2-5)"
  is $'end\t0' "$(tail -n1 "$ML_HOME/refused/x1")"
}

@test "ml-send: of a message without a list the refused go to a file even where the queue is asked for" {
  sink
  { stream ann@example.org unknown@example.org
    stream unknown@example.com | sed '/^message/s/$/\tlist=news@x.org/; s/x1/x2/'; } >in
  run ml-send --via "$via" --refused queue <in
  is 0 "$status"
  is "ml-send: 2 of 3 refused: $ML_HOME/refused/x1" "$output"
  is unknown@example.org "$(rcpts "$ML_HOME/refused/x1")"
  is unknown@example.com "$(ml-queue show bounces "$(ml-queue list bounces | cut -f1)" | rcpts /dev/stdin)"
}

@test "ml-send: the file of the left is empty when nobody is left and may be the input" {
  sink --fault 'rcpt~ann<2=450 4.2.0 later'
  run ml-send --via "$via" --undelivered left < <(stream ann@example.org bob@example.org)
  is 75 "$status"
  is ann@example.org "$(rcpts left)"
  run ml-send --via "$via" --undelivered left <left
  is 75 "$status"
  is ann@example.org "$(rcpts left)"
  ml-send --via "$via" --undelivered left <left
  [ -e left ] && [ ! -s left ] && [ ! -e left.new ]
  is "bob@example.org ann@example.org" "$(cut -f2 log | paste -sd' ')"
}

@test "ml-send: the file of the left keeps those of a section that came cut short" {
  sink --fault 'rcpt=450 4.2.0 later'
  stream ann@x.org bob@x.org | ml-send --via "$via" --max-wait 0 --undelivered left || true
  is "ann@x.org bob@x.org" "$(grep ^rcpt left | cut -f2 | sort | paste -sd' ')"
  sed '/bob/d; s/^end.*/end\t75\tcut/' left | ml-send --via "$via" --max-wait 0 --undelivered left || true
  grep -q bob@x.org left
}

@test "ml-send: what the file of the left holds of other messages stays in it" {
  sink --fault 'rcpt~ann<2=450 4.2.0 later' --fault 'rcpt~cy<1=450 4.2.0 later'
  other() { stream "$@" | sed "s/^message\tx1/message\tx2/"; }
  run ml-send --via "$via" --undelivered left < <(stream ann@example.org)
  run ml-send --via "$via" --undelivered left < <(other cy@example.org)
  is 75 "$status"
  [[ "$output" == "ml-send: left keeps what is left of others: 1 section"* ]]
  is "cy@example.org ann@example.org" "$(rcpts left | paste -sd' ')"
  ml-send --via "$via" --undelivered left < <(other cy@example.org)
  is ann@example.org "$(rcpts left)"
  run ml-send --via "$via" --undelivered left <left
  ml-send --via "$via" --undelivered left <left
  [ ! -s left ]
  is 2 "$(wc -l <log)"
}

@test "ml-send: whom the file of the left has of this message and who does not come stays in it" {
  sink --fault 'rcpt~ann<1=450 4.2.0 later' --fault 'rcpt~bob<2=450 4.2.0 later'
  run ml-send --via "$via" --undelivered left < <(stream ann@example.org bob@Bücher.example)
  is 75 "$status"
  run ml-send --via "$via" --undelivered left < <(stream cy@example.org)
  is 0 "$status"
  is "ml-send: left keeps what is left of others: 1 section" "$output"
  is "ann@example.org bob@Bücher.example" "$(rcpts left | paste -sd' ')"
  run ml-send --via "$via" --undelivered left < <(stream bob@bücher.example ann@EXAMPLE.org)
  is 75 "$status"
  is bob@bücher.example "$(rcpts left)"
  ml-send --via "$via" --undelivered left <left
  [ ! -s left ]
  is "ann@example.org bob@xn--bcher-kva.example cy@example.org" "$(cut -f2 log | sort | paste -sd' ')"
}

@test "ml-send: what comes of one message in many sections stays once in the file of the left" {
  sink --fault 'rcpt~ann=450 4.2.0 later'
  run ml-send --via "$via" --max-wait 0 --undelivered left < <(stream ann@example.org)
  run ml-send --via "$via" --max-wait 0 --undelivered left < <(for i in {1..5}; do stream "b$i@example.org"; done)
  is 0 "$status"
  is ann@example.org "$(rcpts left)"
}

@test "ml-send: what of the file of the left cannot be read stays in it octet for octet" {
  sink --fault 'rcpt~ann=450 4.2.0 later'
  stream o1@x.org | sed 's/^message\tx1/message\tother/' |
    sed '/^rcpt/a what is this\nrcpt\to2@x.org\t-\nrcpt\to3@x.org\t-' >left
  printf 'end\t0\nmessage\tcut\tb@x.org\taGk=\nrcpt\to4@x.o' >>left
  cp left before
  run ml-send --via "$via" --undelivered left < <(stream bob@example.org)
  is 0 "$status"
  cmp <(sed '6d' before) left
  run ml-send --via "$via" --max-wait 0 --undelivered left < <(stream ann@example.org)
  is 75 "$status"
  cmp <(sed '6d' before) <(tail -n 8 left)
}

@test "ml-send: a file that is no stream is not taken for the file of the left" {
  sink
  echo ann@example.org >people.txt
  run ml-send --via "$via" --undelivered people.txt < <(stream bob@example.org)
  is 75 "$status"
  is "ml-send: people.txt is no stream: it is not to be replaced by one" "$output"
  is ann@example.org "$(cat people.txt)"
  sunk
  is 0 "$(wc -l <log)"
}

@test "ml-send: two runs at a time do not write one file of the left" {
  sink --fault 'rcpt~ann=450 4.2.0 later'
  mkfifo pipe
  ml-send --via "$via" --max-wait 0 --undelivered left <pipe 2>said 3>&- &
  local first=$!
  exec 4>pipe
  stream ann@example.org >&4
  until [ -e left.new ] || ! kill -0 $first; do sleep 0.01; done # polls
  run ml-send --via "$via" --undelivered left < <(stream bob@example.org | sed 's/^message\tx1/message\tx2/')
  is 75 "$status"
  is "ml-send: left: another run writes it" "$output"
  exec 4>&-
  local status=0
  wait $first || status=$?
  is 75 $status
  is ann@example.org "$(rcpts left)"
  ml-send --via "$via" --undelivered left < <(stream bob@example.org | sed 's/^message\tx1/message\tx2/')
  is ann@example.org "$(rcpts left)"
  [ ! -e left.new ]
}

@test "ml-send: a file of the left that cannot be replaced as a whole is told of before anybody is sent to" {
  [ "$(id -u)" = 0 ] || skip "needs root to be somebody else"
  sink
  mkdir spool
  stream ann@example.org >spool/left
  chown nobody spool/left
  install -d -o nobody home2
  chmod 711 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null
  local nobody="setpriv --reuid=65534 --regid=65534 --clear-groups --"
  $nobody test -x "$(command -v ml-send)" || skip "others cannot run what stands in the user's own directory"
  run $nobody ml-send --home "$PWD/home2" --via "$via" --undelivered spool/left <spool/left
  is 75 "$status"
  [[ "$output" == *"spool/left.new"* ]]
  is ann@example.org "$(rcpts spool/left)"
  sunk
  is 0 "$(wc -l <log)"
}

@test "ml-send: a file of the left that is the input and could not be sent whole stays as it was" {
  sink
  { stream ann@example.org; stream bob@example.org | sed '$d; s/^message\tx1/message\tx2/'; } >left
  cp left before
  run ml-send --via "$via" --undelivered left <left
  is 75 "$status"
  cmp left before
  [ ! -e left.new ]
  is 2 "$(wc -l <log)"
}

@test "ml-send: the file of the refused has those of all runs" {
  sink --fault 'rcpt~ann=550 5.1.1 nobody' --fault 'rcpt~bob=450 4.2.0 later'
  run ml-send --via "$via" --max-wait 0 --refused ref --undelivered left < <(stream ann@example.org bob@example.org)
  is 75 "$status"
  is "ann@example.org bob@example.org" "$(rcpts ref left | paste -sd' ')"
  sunk
  sink --fault 'rcpt~bob=550 5.1.1 nobody' --fault 'rcpt~cy=550 5.1.1 nobody'
  ml-send --via "$via" --refused ref --undelivered left <left
  ml-send --via "$via" --refused ref < <(stream cy@example.org | sed 's/^message\tx1/message\tx2/')
  ml-send --via "$via" --refused ref < <(stream dee@example.org | sed 's/^message\tx1/message\tx2/')
  is "ann@example.org bob@example.org cy@example.org" "$(rcpts ref | paste -sd' ')"
  is "message rcpt end message rcpt end message rcpt end" "$(cut -f1 ref | paste -sd' ')"
  [ ! -s left ]
}

@test "ml-send: what a killed run has cut short in the file of the refused spoils nothing of the next" {
  sink --fault 'rcpt~ann=550 5.1.1 nobody'
  local whole="$(stream old@x.org | sed 's/^message\tx1/message\tx0/')"
  while read -r cut who; do
    printf '%s\n' "$whole" >ref
    truncate -s "-$cut" ref
    ml-send --again --via "$via" --refused ref < <(stream ann@x.org)
    is "$who" "$(rcpts ref | paste -sd' ')"
    ml-rcpts -- cat <ref >out
    cmp ref out
  done <<'CUTS'
0 old@x.org ann@x.org
1 old@x.org ann@x.org
5 old@x.org ann@x.org
6 old@x.org ann@x.org
7 ann@x.org
24 ann@x.org
30 ann@x.org
CUTS
}

@test "ml-send: where the refused cannot be written their file is as it was and the next run adds them" {
  sink --fault 'rcpt~ann=550 5.1.1 nobody'
  stream old@x.org | sed 's/^message\tx1/message\tx0/' >ref
  printf 'end\t0\t%*s\n' $((8192 - 20 - 7 - $(stat -c %s ref))) x >>ref # 20 octets have room
  cp ref before
  run bash -c "ulimit -f 8; ml-send --via '$via' --refused ref" < <(stream ann@x.org)
  is 75 "$status"
  [[ "$output" == *"1 refused, and they cannot be handed over yet: "*ref* ]]
  cmp ref before
  ml-send --via "$via" --refused ref < <(stream ann@x.org)
  is ann@x.org "$(rcpts ref | tail -n 1)"
  cmp -n "$(stat -c %s before)" ref before
}

@test "ml-send: one file for the refused and the left is told of before anybody is sent to whatever it is called" {
  sink
  ln -s both link
  ln both hard 2>/dev/null || { touch both; ln both hard; }
  one_file() {
    run --separate-stderr "$@" < <(stream a@x.org)
    is 75 "$status"
    [[ "$stderr" == *"is the file of --undelivered too: name another one for --refused" ]]
  }
  one_file ml-send --via "$via" --refused both --undelivered both
  one_file ml-send --via "$via" --refused link --undelivered both
  one_file ml-send --via "$via" --refused both --undelivered ./link
  one_file ml-send --via "$via" --refused hard --undelivered link
  one_file ml-send --via "$via" --refused both.new --undelivered both
  one_file bash -c "ml-send --via '$via' --refused /dev/fd/8 --undelivered both 8>both"
  one_file bash -c "ml-send --via '$via' --refused both --undelivered - >>both"
  one_file bash -c "ml-send --via '$via' --refused - --undelivered both >>both"
  is "" "$(cat log)"
  [ ! -s both ]
  # In a device, and in one stream, nothing is written over.
  ml-send --via "$via" --refused /dev/null --undelivered /dev/null < <(stream a@x.org)
  ml-send --via "$via" --refused - --undelivered - < <(stream b@x.org) >both
  sunk
}

@test "ml-send: a file that is no stream is not taken for the file of the refused" {
  sink
  echo ann@example.org >people.txt
  run ml-send --via "$via" --refused people.txt < <(stream bob@example.org)
  is 75 "$status"
  is "ml-send: people.txt is no stream: the refused are not to be added to it" "$output"
  is ann@example.org "$(cat people.txt)"
  sunk
  is "" "$(cat log)"
}

@test "ml-send: the commonest reason stands where it says how many are left" {
  printf '#!/bin/sh\nexit 1\n' >fake
  chmod +x fake
  run ml-send --via "sendmail:$PWD/fake" < <(stream ann@example.org bob@example.org)
  is 75 "$status"
  [[ "$output" == *"2 of 2 left ("*"fake"*"); go on with: "* ]]
  sink --fault 'rcpt<1=450 4.2.0 later' --fault 'mail>1=530 5.7.0 Authentication required'
  run ml-send --via "$via" --connections 1 < <(verp a@x.org b@x.org c@x.org)
  [[ "$output" == *"3 of 3 left (2 of them: 530 5.7.0 Authentication required); go on with: "* ]]
}

@test "ml-send: the line that goes on names the home and how the mail goes" {
  sink --fault 'rcpt<1=450 4.2.0 later'
  run ml-send --home h2 --via "$via" --rate 900 --connections 2 --no-fuse --for 600 --refused refused < <(stream ann@example.org bob@example.org)
  is 75 "$status"
  is "ml-send --via $via --home h2 --refused refused --connections 2 --rate 900 --for 600 --no-fuse <h2/left/x1" \
    "$(sed 's/.*go on with: //' <<<"$output")"
  run sh -c "${output#*go on with: }"
  is 0 "$status"
  is "bob@example.org ann@example.org" "$(cut -f2 log | paste -sd' ')"
  is x1 "$(ml-log --home h2 | cut -f1)"
}

@test "ml-send: the line that goes on is one for a shell whatever its files are named" {
  local names=("my left" "o'neil" '$HOME' '#1' '~x' '{a,b}' '"q"' 'a;b' 'left')
  for name in "${names[@]}"; do
    sink --fault 'rcpt<1=450 4.2.0 later'
    run ml-send --home "$PWD/home $name" --undelivered "$name" --via "$via" < <(stream a@x.org)
    is 75 "$status"
    run sh -c "${output#*go on with: }"
    is "" "$output"
    is 0 "$status"
    is a@x.org "$(cut -f2 log)"
    sunk
    rm log
  done
}

@test "ml-send: who is left is a stream to go on with" {
  sink --fault 'rcpt<1=450 4.2.0 later'
  run ml-send --via "$via" < <(stream ann@example.org bob@example.org)
  is 75 "$status"
  is "ml-send: 1 of 2 left (450 4.2.0 later); go on with: ml-send --via $via <$ML_HOME/left/x1" "$output"
  grep -q $'^rcpt\tann@example.org\t-\tstatus=4.2.0\treply=450 4.2.0 later\tattempts=1' "$ML_HOME/left/x1"
  run ml-send --via "$via" <"$ML_HOME/left/x1"
  is 0 "$status"
  is "bob@example.org ann@example.org" "$(cut -f2 log | paste -sd' ')"
}

@test "ml-send: attempts are counted from run to run and older files stay" {
  sink
  run ml-send --via "$via" < <(stream full@example.org)
  run ml-send --via "$via" <"$ML_HOME/left/x1"
  is 75 "$status"
  grep -q attempts=1 "$ML_HOME/left/x1"
  grep -q attempts=2 "$ML_HOME/left/x1.2"
}

@test "ml-send: whatever a relay does each recipient ends in exactly one set" {
  verp $(people u 30) unknown1@x.org full2@x.org later3@x.org >personal
  stream $(people u 30) unknown1@x.org full2@x.org later3@x.org >shared
  local fault
  while read -r fault; do
    for in in personal shared; do
      if [[ "$fault" == --* ]]; then sink "$fault"; else sink --fault "$fault"; fi
      run ml-send --again --via "$via" --max-wait 1 --refused refused --undelivered left <$in
      echo "with $fault and $in recipients: $output"
      [ "$status" -eq 0 ] || [ "$status" -eq 75 ]
      sunk
      settled_once $in
      rm -f refused left
    done
  done <<'FAULTS'
connect<1=421 4.3.2 busy
helo<1=421 4.3.2 busy
helo=garbage
mail@3=450 4.3.0 later
mail@4=451 4.3.0 later
mail%5=550 5.7.1 not you
mail>7c=452 4.5.3 enough
mail>7c=451 4.5.3 enough
mail>5c=421 4.3.2 enough
mail@3=drop
mail@4=garbage
mail@5=endless
mail@4=500 5.5.2 what
rcpt%3=450 4.2.0 later
rcpt%4=554 5.7.1 no
rcpt>4t=452 4.5.3 too many
rcpt>4t=452 too many
rcpt>4t=451 4.5.3 too many
rcpt@5=421 4.3.2 closing
rcpt@6=drop
rcpt@6=501 5.1.3 syntax
rcpt~u7=501 5.1.3 syntax
rcpt@6=long
data%3=451 4.3.0 later
data%4=554 5.3.0 no
data@2=421 4.3.2 closing
data@2=drop
data@3=garbage
data@3=250 strange
body@2=drop
dot%3=451 4.3.0 later
dot%4=550 5.7.1 spam
dot%4=550 5.1.1 not about anybody
dot@2=421 4.3.2 closing
dot@3=500 5.5.2 what
--helo-only
--drip
--multiline
--always-354
--without=PIPELINING
--without=SIZE
FAULTS
}

@test "ml-send: relays whose faults come together end everybody in one set too" {
  verp $(people u 60) unknown1@x.org unknown2@x.org >in
  for extension in PIPELINING ENHANCEDSTATUSCODES; do
    sink --always-354 --drip --without $extension --fault 'mail%7=550 5.7.1 no' \
      --fault 'rcpt%5=450 4.2.0 later' --fault 'data%6=451 4.3.0 later' --fault 'dot%9=451 later'
    run ml-send --again --via "$via" --max-wait 1 --refused refused --undelivered left <in
    sunk
    settled_once in
    rm -f refused left
  done
}

@test "ml-send: LMTP has a fate for each recipient of a message" {
  sink --lmtp --fault 'dot~no=550 5.2.1 disabled' --fault 'dot~wait=452 4.2.2 full'
  stream a@x.org no@x.org b@x.org wait@x.org unknown@x.org >in
  run ml-send --via "lmtp${via#smtp}" --refused refused --undelivered left <in
  is 75 "$status"
  sunk
  settled_once in
  is "no@x.org unknown@x.org" "$(rcpts refused | sort | paste -sd' ')"
  is "wait@x.org" "$(rcpts left)"
}

@test "ml-send: LMTP works over a socket" {
  : >log
  smtp-sink --lmtp --socket sock --port-file port --log log >counts 2>violations 3>&- &
  sink=$!
  until [ -e port ]; do sleep 0.01; done # polls
  stream a@x.org b@x.org >in
  ml-send --via "lmtp:$PWD/sock" <in
  sunk
  is "messages 1 recipients 2 refused 0 connections 1 violations 0" "$(cat counts)"
}

@test "ml-send: a lost reply to the message is named and the recipient is tried again" {
  sink --fault 'dot@2=drop'
  run ml-send --via "$via" < <(verp a@x.org b@x.org c@x.org)
  is 0 "$status"
  [[ "$output" == *"b@x.org may get it twice"*"1 of 3 may have got it twice"* ]]
  sunk
  is "a@x.org b@x.org b@x.org c@x.org" "$(cut -f2 log | sort | paste -sd' ')"
}

@test "ml-send: a relay that never answers the message does not get it again and again" {
  sink --fault 'dot=drop'
  run ml-send --via "$via" --undelivered left < <(verp a@x.org)
  is 75 "$status"
  sunk
  is 2 "$(wc -l <log)"
}

@test "ml-send: a relay that is busy at first is waited for" {
  sink --fault 'connect<2=421 4.3.2 too busy'
  run ml-send --via "$via" < <(stream a@x.org)
  is 0 "$status"
  is "ml-send: relay $via is busy (421 4.3.2 too busy); trying again in 0.5 s" "${lines[0]}"
  is "ml-send: relay $via is busy (421 4.3.2 too busy); trying again in 1 s" "${lines[1]}"
}

@test "ml-send: a relay that stays busy is given up after --max-wait" {
  sink --fault 'connect=421 4.3.2 too busy'
  run ml-send --via "$via" --max-wait 1 --undelivered left < <(stream a@x.org b@x.org)
  is 75 "$status"
  is "$(rcpts left | paste -sd' ')" "a@x.org b@x.org"
  grep -q 'reply=421 4.3.2 too busy' left
}

@test "ml-send: a silent relay is given up after --max-wait" {
  sink --fault connect=silence
  run ml-send --via "$via" --max-wait 1 --undelivered left < <(stream a@x.org)
  is 75 "$status"
  is a@x.org "$(rcpts left)"
}

@test "ml-send: nobody listening is a busy relay and others take over at once" {
  sink
  # Who waited for the one that is not there would be stopped.
  for other in '' '?backup'; do
    : >log
    run ml-send --again --for 20 --max-wait 300 --via smtp://127.0.0.1:1 --via "$via$other" \
      < <(verp $(people u 20))
    is 0 "$status"
    is 20 "$(cut -f2 log | sort -u | wc -l)"
  done
}

@test "ml-send: a backup comes after the others" {
  sink
  first=$via first_sink=$sink
  sink --fault 'connect=554 5.3.2 go away'
  run ml-send --via "$first?backup" --via "$via" < <(stream a@x.org)
  kill "$first_sink"
  is 0 "$status"
  [[ "$output" == *"relay $via does not talk to us (554 5.3.2 go away)"* ]]
}

@test "ml-send: relays share recipients by their weights" {
  share() { # STREAM OPTION...: how many of a thousand the lighter one of two relays gets
    local in=$1
    shift
    begin_sink
    heavy=$via
    begin_sink
    : >light.log
    : >log
    ml-send --via "$heavy?weight=9" --via "$via?weight=1" --log light.log "$@" <"$in"
    echo $((1000 * $(grep -cF "$via" light.log) / $(wc -l <light.log)))
  }
  verp $(people u 3000) >personal
  stream $(people u 3000) | sed s/x1/x2/ >shared
  for in in personal shared; do
    light=$(share $in --connections 2)
    echo "$in: $light"
    [[ $light -gt 60 && $light -lt 140 ]]
  done
}

@test "ml-send: a relay that defers everybody is left alone and the rest goes untried" {
  sink --fault 'dot=451 4.3.0 no disk'
  run ml-send --via "$via" --max-wait 0 --undelivered left < <(verp $(people u 500))
  is 75 "$status"
  is 500 "$(rcpts left | wc -l)"
  [ "$(grep -c attempts=1 left)" -lt 100 ]
}

@test "ml-send: the fuse takes refusals back when many get the same" {
  sink
  stream ann@example.org $(people unknown 30) >in
  run ml-send --via "$via" --refused refused --undelivered left <in
  is 75 "$status"
  [[ "$output" == *"stopped: 20 recipients running got the same reply: 550 5.1.1 User unknown"* ]]
  settled_once in
  is 30 "$(rcpts left | wc -l)"
  run ml-send --via "$via" --no-fuse --refused refused --undelivered left2 <left
  is 0 "$status"
  is 30 "$(rcpts refused | wc -l)"
}

@test "ml-send: no text of a message smuggles a second one or a command" {
  local text='Subject: x\n\na\n.\r\nMAIL FROM:<evil@x.org>\r\nb\r.\rc\r\n.\nd\n..\n.e\r\r\n'
  printf 'message\tx1\ts@x.org\t%s\nrcpt\ta@x.org\t-\nend\t0\n' \
    "$(printf "$text" | base64 -w0)" >in
  for extension in SIZE PIPELINING; do
    sink --without $extension
    ml-send --again --via "$via" <in
    sunk
    is "messages 1 recipients 1 refused 0 connections 1 violations 0" "$(cat counts)"
    is "$(printf 'Subject: x\n\na\n.\nMAIL FROM:<evil@x.org>\nb\n.\nc\n.\nd\n..\n.e\n\n')" \
      "$(tr -d '\r' <mail/1.eml)"
  done
}

@test "ml-send: an address that is none never reaches the wire" {
  sink
  {
    stream | sed '$d'
    printf 'rcpt\t%s\t-\n' 'a b@x.org' 'a@x.org> SIZE=1' '<a@x.org>' 'a@x.org,b@x.org' \
      "$(printf 'a%.0s' {1..300})@x.org" 'nodomain' '"open@x.org' 'good@x.org'
    printf 'rcpt\ta@x.org\tbad sender@x.org\nend\t0\n'
  } >in
  run ml-send --via "$via" --undelivered left <in
  is 75 "$status"
  sunk
  is good@x.org "$(cut -f2 log)"
  is 7 "$(grep -c status=5.1.3 left)"
  is 1 "$(grep -c status=5.1.7 left)"
}

@test "ml-send: a message that is not base64 says nothing of the section before it" {
  sink --fault 'rcpt~later<1=450 4.2.0 later'
  bad=$'message\tbad\ts@x.org\t!!!!\nrcpt\tz@x.org\t-\nend\t0'
  run ml-send --via "$via" < <(echo "$bad")
  is 75 "$status"
  { stream a@x.org | sed '$d'; printf 'end\t75\tno more\n'; echo "$bad"; } >in
  run ml-send --via "$via" <in
  is 75 "$status"
  # Its section failed, so that more of it may come: the journal is not closed.
  is unfinished "$(ml-log | cut -f6)"
  ml-send --via "$via" < <(stream a@x.org b@x.org)
  sunk
  is "a@x.org b@x.org" "$(cut -f2 log | paste -sd' ')"
}

@test "ml-send: a message with a NUL is no other message under its name" {
  sink
  stream a@x.org >in
  { printf 'message\tspring\ts@x.org\t%s\nrcpt\ta@x.org\t-\nend\t0\n' "$(printf 'a\0b' | base64)"; } >nul
  run ml-send --via "$via" --undelivered left < <(cat in nul)
  is 75 "$status"
  run ml-send --via "$via" --undelivered left <nul
  [[ "$output" == "ml-send: 1 of 1 left (5"*"); go on with: "* ]]
  sunk
}

@test "ml-send: a message with a NUL is left and says so" {
  sink
  run ml-send --via "$via" --undelivered left \
    < <(printf 'message\tx1\ts@x.org\t%s\nrcpt\ta@x.org\t-\nend\t0\n' "$(printf 'a\0b' | base64)")
  is 75 "$status"
  grep -q status=5.6.0 left
  is "" "$(cat log)"
}

@test "ml-send: only those who need SMTPUTF8 are left where the relay has none" {
  sink --without SMTPUTF8
  stream ann@bücher.example zoë@x.org bob@x.org >in
  run ml-send --via "$via" --undelivered left <in
  is 75 "$status"
  sunk
  is "ann@xn--bcher-kva.example bob@x.org" "$(cut -f2 log | paste -sd' ')"
  is 5.6.7 "$(grep ^rcpt left | sed 's/.*status=\([0-9.]*\).*/\1/')"
}

@test "ml-send: 8-bit text goes as 8BITMIME" {
  printf 'message\tx1\ts@x.org\t%s\nrcpt\ta@x.org\t-\nend\t0\n' "$(printf 'x\n\nü\n' | base64)" >in
  sink
  ml-send --via "$via" <in
  sunk
  [[ "$(cut -f4 log)" == *BODY=8BITMIME* ]]
}

@test "ml-send: a message over the relay's SIZE is left untried" {
  sink --size 20
  run ml-send --via "$via" --undelivered left < <(stream a@x.org)
  is 75 "$status"
  sunk
  grep -q status=5.3.4 left
}

@test "ml-send: a cut stream delivers its complete recipients and is 75" {
  sink
  run ml-send --via "$via" < <(stream ann@example.org bob@example.org | head -c -10)
  is 75 "$status"
  is ann@example.org "$(cut -f2 log)"
}

@test "ml-send: a failed end is passed on in silence" {
  run ml-send --via null: < <(printf 'end\t65\t5.6.0 no\n')
  is 65 "$status"
  is "" "$output"
}

@test "ml-send: nothing to send is done without a relay" {
  run ml-send --via smtp://127.0.0.1:1 < <(printf 'end\t0\n')
  is 0 "$status"
}

@test "ml-send: sections follow one another and what is left of each stays in its own" {
  sink
  { stream a@x.org full1@x.org; printf 'end\t0\n'; stream full2@x.org b@x.org; } >in
  run ml-send --via "$via" --undelivered - <in
  is 75 "$status"
  is "message rcpt end message rcpt end" "$(grep -E '^(message|rcpt|end)' <<<"$output" | cut -f1 | paste -sd' ')"
}

@test "ml-send: however many sections there are what is left of all is in one file" {
  sink
  for i in $(seq 450); do stream full$i@x.org unknown$i@x.org | sed "s/^message\tx1/message\tn$((i % 440))/"; done >in
  run ml-send --no-fuse --via "$via" --undelivered left --refused refused <in
  is 75 "$status"
  is 450 "$(rcpts left | sort -u | wc -l)"
  is 450 "$(rcpts refused | sort -u | wc -l)"
  run ml-send --again --no-fuse --via "$via" <in
  is 75 "$status"
  is 450 "$(rcpts "${output##*<}" | sort -u | wc -l)"
  sunk
}

@test "ml-send: interrupted it finishes what is in flight and leaves the rest" {
  sink --fault 'mail>3=silence'
  mkfifo pipe
  ml-send --via "$via" --undelivered left <pipe 2>said 3>&- &
  local sender=$!
  exec 9>pipe
  verp a@x.org b@x.org c@x.org | sed '$d' >&9
  until [ "$(wc -l <log)" -eq 3 ]; do sleep 0.01; done # polls
  kill -TERM $sender
  { printf 'rcpt\td@x.org\t-\n'; printf 'end\t0\n'; } >&9
  exec 9>&-
  status=0
  wait $sender || status=$?
  is 75 "$status"
  is d@x.org "$(rcpts left)"
  grep -q '1 of 4 left' said
}

@test "ml-send: when the time it was given is over the rest is left and the same again goes on" {
  sink
  verp a@x.org b@x.org c@x.org d@x.org e@x.org f@x.org | sed '/^message/s/$/\tlist=news@x.org/' >in
  run ml-send --for 1 --rate 2 --via "$via" <in
  is 75 "$status"
  [[ "$output" == *" of 6 left (451 4.3.2 the time for this delivery is over (--for)); the same again goes on" ]]
  [[ "$(wc -l <log)" -lt 6 ]]
  ml-send --via "$via" <in
  sunk
  is "a@x.org b@x.org c@x.org d@x.org e@x.org f@x.org" "$(cut -f2 log | sort | paste -sd' ')"
}

@test "ml-send: an input that stands still does not outlast the delivery" {
  sink
  verp a@x.org b@x.org | sed '$d' >part
  local senders=() i
  for i in for term half; do
    mkfifo $i.pipe
    # Who would wait for ever is killed.
    timeout -s KILL 60 ml-send $([ $i != for ] || echo --for 1) --home $i.home --via "$via" \
      --undelivered $i.left <$i.pipe 2>$i.said 3>&- &
    senders+=($!)
  done
  exec 7>for.pipe 8>term.pipe 9>half.pipe
  cat part >&7
  cat part >&8
  { cat part; printf 'rcpt\tc@x.o'; } >&9
  until [ "$(wc -l <log)" -eq 6 ] || ! kill -0 "${senders[2]}"; do sleep 0.01; done # polls
  kill -TERM $(pgrep -P "${senders[1]}") $(pgrep -P "${senders[2]}")
  for i in for term half; do
    status=0
    wait "${senders[0]}" || status=$?
    senders=("${senders[@]:1}")
    is 75 "$status"
    is "ml-send: the stream is cut: it did not end when the delivery was over" "$(cat $i.said)"
    is "" "$(rcpts $i.left)"
    run ml-send --home $i.home --via "$via" < <(cat part; printf 'rcpt\tc@x.org\t-\nend\t0\n')
    is 0 "$status"
    is "ml-send: 2 of 3 have x1 already" "$output"
  done
  exec 7>&- 8>&- 9>&-
  is 9 "$(wc -l <log)"
}

@test "ml-send: a rate holds for those who share a transaction too" {
  sink
  stream $(people u 20) | sed '/^message/s/$/\tlist=news@x.org/' >in
  run ml-send --for 1 --rate 5 --via "$via" <in
  is 75 "$status"
  [[ "$(wc -l <log)" -lt 20 ]]
  sunk
  sink
  ml-send --rate 50 --via "$via" < <(stream $(people u 20) | sed s/x1/x2/)
  sunk
  is "10 10" "$(cut -f3 log | uniq -c | awk '{ print $1 }' | paste -sd' ')"
}

@test "ml-send: times beyond every clock are as long as need be" {
  sink
  verp a@x.org b@x.org >in
  for ages in --for --max-wait --sync; do
    run ml-send --again "$ages" 18446744073709551615 --via "$via" <in
    is "" "$output"
    is 0 "$status"
  done
  sunk
  is 6 "$(wc -l <log)"
}

# longest_sleep COMMAND...: in whole seconds, of a run whose input is empty at first.
longest_sleep() {
  mkfifo pipe
  strace -o trace -e trace=epoll_pwait,epoll_pwait2 "$@" <pipe 3>&- &
  local traced=$!
  exec 9>pipe
  until grep -q epoll trace 2>/dev/null || ! kill -0 $traced; do sleep 0.01; done # polls
  printf 'end\t0\n' >&9
  exec 9>&-
  wait $traced
  rm pipe
  echo $(($(sed -n 's/^epoll_pwait(.*\], 64, \([0-9]*\),.*/\1/p' trace | sort -n | tail -n 1) / 1000))
}

@test "ml-send: in a mail server's delivery it ends by itself in four minutes" {
  [ "$(longest_sleep ml-send --via null:)" -gt 240 ]
  [ "$(RECIPIENT=news@x.org longest_sleep ml-send --via null:)" -le 240 ]
  [ "$(RECIPIENT=news@x.org longest_sleep ml-send --for 0 --via null:)" -gt 240 ]
}

@test "ml-send: without a home there is no journal and nobody is sent to" {
  sink
  : >file
  run ml-send --home "$PWD/file/home" --via "$via" < <(stream a@x.org)
  is 75 "$status"
  [[ "$output" == *"$PWD/file/home"* ]]
  sunk
  is "" "$(cat log)"
  run ml-send --home "$PWD/file/home" --via null: < <(stream a@x.org)
  is 0 "$status"
}

@test "ml-send: a file that cannot take the left is refused before anybody is sent to" {
  sink
  for option in --undelivered --refused; do
    run ml-send --via "$via" $option no/such/file < <(stream a@x.org)
    is 75 "$status"
  done
  is "" "$(cat log)"
  sunk
}

@test "ml-send: sendmail: runs a program for each group without a shell" {
  printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>args; cat >>text\n' >fake
  chmod +x fake
  { stream -a@x.org '$HOME`id`@x.org'; stream c@x.org | sed 's/-$/<>/'; } >in
  ml-send --via "sendmail:$PWD/fake" <in
  is "-i -f news-bounces@x.org -- -a@x.org \$HOME\`id\`@x.org -i -f <> -- c@x.org" "$(paste -sd' ' args)"
  is "$(message; message)" "$(cat text)"
}

@test "ml-send: a sendmail that fails leaves its recipients" {
  for body in 'exit 75' 'exit 67'; do
    printf '#!/bin/sh\n%s\n' "$body" >fake
    chmod +x fake
    run ml-send --via "sendmail:$PWD/fake" --undelivered left < <(stream a@x.org)
    is 75 "$status"
    is a@x.org "$(rcpts left)"
    [[ "$output" != *twice* ]]
  done
  run ml-send --via sendmail:/no/such --undelivered left < <(verp a@x.org b@x.org)
  is 75 "$status"
  is 2 "$(rcpts left | wc -l)"
}

@test "ml-send: who was given to a sendmail that a signal ended is sent to again and named" {
  printf '#!/bin/sh\ncat >>taken\n[ -e calm ] || { >calm; kill -9 $$; }\n' >fake
  chmod +x fake
  run ml-send --via "sendmail:$PWD/fake" < <(stream a@x.org)
  is 0 "$status"
  is "$(message; message)" "$(cat taken)"
  [[ "${lines[0]}" == "ml-send: a@x.org may get it twice: "*"was ended by signal 9)" ]]
  is "ml-send: 1 of 1 may have got it twice" "${lines[1]}"
  rm taken
  printf '#!/bin/sh\ncat >>taken\nkill -9 $$\n' >fake
  run ml-send --again --via "sendmail:$PWD/fake" --undelivered left < <(stream a@x.org)
  is 75 "$status"
  is a@x.org "$(rcpts left)"
  is "$(message; message)" "$(cat taken)"
  run ml-send --unanswered hold --via "sendmail:$PWD/fake" <left
  is 75 "$status"
  [[ "$output" == *"a@x.org may have got it"* ]]
}

@test "ml-send: SIGTERM ends the delivery behind the sendmail that runs" {
  printf '#!/bin/sh\ncat >>text; : >begun; until [ -e go ]; do sleep 0.01; done\n' >fake # polls
  chmod +x fake
  verp a@x.org b@x.org >in
  ml-send --via "sendmail:$PWD/fake" --undelivered left <in 3>&- 2>said &
  local sender=$!
  until [ -e begun ] || ! kill -0 $sender; do sleep 0.01; done # polls
  kill -TERM $sender
  : >go
  status=0
  wait $sender || status=$?
  is 75 "$status"
  is b@x.org "$(rcpts left)"
  is "$(message)" "$(cat text)"
}

@test "ml-send: maildir: keeps a file a recipient" {
  stream a@x.org b@x.org >in
  ml-send --via maildir:box <in
  is 2 "$(find box/new -type f | wc -l)"
  is "$(printf 'Return-Path: <news-bounces@x.org>\nDelivered-To: a@x.org\n'; message)" \
    "$(cat box/new/*Q1.*)"
}

@test "ml-send: bsmtp: a full disk leaves everybody" {
  run ml-send --via bsmtp:/dev/full --undelivered left < <(stream a@x.org b@x.org)
  is 75 "$status"
  is 2 "$(rcpts left | wc -l)"
}

@test "ml-send: a relay that cannot be used is said before anything is read" {
  for uri in 'smtps://x.org?tls=none' smtp://u@localhost smtp://u:p@localhost ftp://x.org; do
    run ml-send --via "$uri" </dev/null
    is 75 "$status"
    [[ "$output" == "ml-send: "* ]]
    is 1 "${#lines[@]}"
  done
}

@test "ml-send: XVERP is asked for where the relay knows it and the message wants it" {
  stream a@x.org b@x.org | sed '/^message/s/$/\tml.xverp=+=/' >in
  echo "$(sed '$d' in; printf 'rcpt\tc@x.org\towned@x.org\nend\t0')" >in
  sink --xverp
  ml-send --via "$via" <in
  sunk
  is "a@x.org b@x.org" "$(grep 'XVERP=+=' log | cut -f2 | paste -sd' ')"
  is "messages 2 recipients 3 refused 0 connections 1 violations 0" "$(cat counts)"
  sink
  ml-send --again --via "$via" <in
  sunk
  is 3 "$(grep -vc XVERP log)"
  printf '#!/bin/sh\necho "$@" >>args; cat >/dev/null\n' >fake
  chmod +x fake
  ml-send --again --via "sendmail:$PWD/fake" <in
  is "-i -f news-bounces@x.org -XV -- a@x.org b@x.org" "$(head -n1 args)"
  is "-i -f owned@x.org -- c@x.org" "$(tail -n1 args)"
}

@test "ml-send: memory does not grow with the recipients" {
  [ -z "${SAN:-}" ] || skip "the sanitizers want all the address space there is"
  within() { # within OCTETS COUNT
    {
      stream | sed '$d'
      seq "$2" | sed 's/.*/rcpt\tu&@example.org\tb+u&=example.org@x.org/'
      printf 'end\t0\n'
    } >in
    (ulimit -v "$1" && ml-send --via null: --max-wait 0 <in)
    (ulimit -v "$1" && ml-send --via smtp://127.0.0.1:1 --max-wait 0 --undelivered left <in) || true
    is "$2" "$(rcpts left | wc -l)"
  }
  within 40000 1000
  within 40000 200000
}

@test "ml-send: slots are filled for each recipient and who lacks a value is left" {
  sink
  local text='Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nDear {{k7w2nonce4f/t/name}} of {{k7w2nonce4f/t/address}}.\n'
  {
    printf 'message\tx1\ts@x.org\t%s\tml.slots=k7w2nonce4f\n' "$(printf "$text" | base64 -w0)"
    printf 'rcpt\t%s@x.org\t-\tname=%s\n' a Ann b '.\n.\nBob'
    printf 'rcpt\tc@x.org\t-\nend\t0\n'
  } >in
  run ml-send --via "$via" --undelivered left <in
  is 75 "$status"
  sunk
  is "messages 2 recipients 2 refused 0 connections 1 violations 0" "$(cat counts)"
  grep -q 'Dear Ann of a@x.org.' mail/1.eml
  grep -q 'Bob of b@x.org.' mail/2.eml
  is c@x.org "$(rcpts left)"
  [[ "$output" == *"1 of 3 left ("*"); they are in left; 1 needs values for the slots: mend those"* ]]
  run ml-send --via bsmtp:- --undelivered left <in
  [[ "$output" == *"Dear Ann of a@x.org."* ]]
}

@test "ml-send: the site's relays and patience hold where neither option nor environment speak" {
  sink
  mkdir -m 700 home
  printf 'via = "%s"\nmax-wait = 0\n' "$via" >home/lists.toml
  stream ann@example.org | ml-send
  is ann@example.org "$(cut -f2 log)"
  stream bob@example.org | ML_SEND_VIA=null: ml-send
  stream cy@example.org | ml-send --via null:
  is ann@example.org "$(cut -f2 log)"
  sunk
}

@test "ml-send: a damaged site setting is 75 and names its file" {
  mkdir -m 700 home
  echo 'via = 25' >home/lists.toml
  echo 'max-wait = "soon"' >>home/lists.toml
  run ml-send < <(stream ann@example.org)
  is 75 "$status"
  [[ "$output" == *lists.toml* ]]
}
