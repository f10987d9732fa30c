# ml-send against relays, readers and disks that fail: nobody is lost and nobody gets it unnamed twice.
load common
load sink

@test "faults: nonsense, a megabyte and a reply without end at any step leave everybody in one set" {
  verp $(seq -f 'u%g@example.org' 12) unknown1@x.org >in
  for chunking in "" --chunking; do
    for step in connect helo mail rcpt data dot rset quit; do
      for answer in garbage long endless; do
        for when in @2 ''; do
          sink $chunking --fault "$step$when=$answer"
          # shellcheck disable=SC2086 # no word or one
          run ml-send --again --via "$via" --max-wait 1 --refused refused --undelivered left <in
          echo "with $chunking $step$when=$answer: $output"
          [ "$status" -eq 0 ] || [ "$status" -eq 75 ]
          sunk
          # Who was sent to twice was named.
          is "$(rcpts in | sort)" "$({ cut -f2 log; rcpts refused left; } | sort -u)"
          while read -r twice; do [[ "$output" == *"$twice may get it twice"* ]]; done \
            < <({ cut -f2 log; rcpts refused left; } | sort | uniq -d)
          rm -f refused left
        done
      done
    done
  done
}

@test "faults: a reply without end does not fill the memory" {
  [ -z "${SAN:-}" ] || skip "the sanitizers want all the address space there is"
  for answer in long endless; do
    sink --fault "helo=$answer"
    run bash -c "ulimit -v 60000; ml-send --via $via --max-wait 1 --undelivered left < <(cat)" < <(stream a@x.org)
    is 75 "$status"
    is a@x.org "$(rcpts left)"
    sunk
  done
}

@test "faults: a relay that is silent or drops what comes to it keeps nobody from the others or from a backup" {
  begin_sink --log /dev/null --fault connect=silence
  silent=$via
  black_hole
  # Who waited for the silent one would be stopped.
  for relay in "$silent" "$hole"; do
    for other in '' '?backup'; do
      sink
      run ml-send --again --for 20 --max-wait 300 --via "$relay" --via "$via$other" \
        < <(verp $(seq -f 'u%g@x.org' 50))
      is "" "$output"
      is 0 "$status"
      is 50 "$(sort -u log | wc -l)"
      sunk
    done
  done
}

@test "faults: a silent relay alone is given up in the end" {
  black_hole
  run ml-send --max-wait 1 --via "$hole" --undelivered left < <(stream a@x.org)
  is 75 "$status"
  is a@x.org "$(rcpts left)"
  is "ml-send: relay $hole is busy (451 4.4.2 time is up); it is given up" "${lines[-2]}"
}

@test "faults: a command that is not understood sent ahead costs nobody a second copy" {
  seq -f 'u%g@example.org' 60 >people
  verp $(cat people) >own
  stream $(cat people) >one
  for in in own one; do
    for extension in --chunking --without=SIZE --lmtp; do
      for fault in 'rcpt~u7=504 5.5.2 need a full name' 'rcpt~u7=555 what' 'mail~b+u7=501 5.5.4 what' \
        'rcpt%9=501 what' 'rcpt%9=500 what' 'mail@9=503 5.5.1 what' 'dot@9=500 5.5.2 what'; do
        sink $extension --fault "$fault"
        [ $extension != --lmtp ] || via=lmtp${via#smtp}
        run ml-send --again --no-fuse --via "$via" --refused refused --undelivered left <$in
        echo "with $in $extension $fault: $output"
        [[ "$output" != *twice* ]]
        sunk
        is "$(sort people)" "$({ cut -f2 log; rcpts left refused; } | sort)"
        case $fault in
          *~*) [ $in = one ] && [[ $fault = mail* ]] || is u7@example.org "$(rcpts left)" ;;
          *%9=*) ;;
          *) is "" "$(rcpts left)" ;;
        esac
        rm -f left refused
      done
    done
  done
}

@test "faults: recipients that are not understood do not cost a connection each" {
  verp $(seq -f 'u%g@example.org' 400 | sed 's/^.*[37]@/bad-&/') >in
  for extension in --chunking --without=SIZE; do
    sink $extension --fault 'rcpt~bad=504 need a full name'
    run ml-send --again --connections 1 --via "$via" --undelivered left <in
    is 75 "$status"
    [[ "$output" != *twice* ]]
    sunk
    is 80 "$(rcpts left | grep -c ^bad)"
    is 320 "$(sort -u log | wc -l)"
    is 320 "$(wc -l <log)"
    [ "$(sed 's/.* connections //; s/ .*//' counts)" -le 10 ]
  done
}

@test "faults: a relay that ends each connection after so many messages costs nobody the message" {
  verp $(seq -f 'u%g@example.org' 120) >in
  for extension in --chunking --without=SIZE --without=PIPELINING --lmtp; do
    for fault in 'mail>1c=421 4.7.0 enough' 'dot>1c=421 4.7.0 enough' 'mail>3c=421 4.7.0 enough' \
      'mail>2c=drop' 'rcpt>1c=drop' 'data>2c=drop'; do
      sink $extension --fault "$fault"
      [ $extension != --lmtp ] || via=lmtp${via#smtp}
      run ml-send --again --via "$via" --max-wait 5 --undelivered left <in
      echo "with $extension $fault: $output"
      is 0 "$status"
      sunk
      is 120 "$(wc -l <log)"
      is 120 "$(sort -u log | wc -l)"
      # The first connection may have had a window of them on their way.
      [ "$(grep -c 'may get it twice' <<<"$output")" -le 16 ]
    done
  done
}

@test "faults: many running who are not understood do not cost the others the relay" {
  verp $(seq -f 'bad%g@example.org' 60) $(seq -f 'u%g@example.org' 20) >in
  for extension in --chunking --without=SIZE; do
    sink $extension --fault 'rcpt~bad=504 need a full name'
    run ml-send --again --no-fuse --via "$via" --undelivered left <in
    is 75 "$status"
    sunk
    is 20 "$(wc -l <log)"
    is 60 "$(rcpts left | grep -c ^bad)"
    is 60 "$(rcpts left | wc -l)"
    [[ "$output" == *"60 of 80 left (504 need a full name)"* ]]
  done
}

@test "faults: neighbours of one domain that are deferred do not keep the relay from those behind them" {
  verp $(seq -f 'a%g@a.example' 5) $(seq -f 'blk%g@blk.example' 600) $(seq -f 'z%g@z.example' 30) >in
  for extension in --chunking --without=SIZE --without=PIPELINING --lmtp; do
    for code in '451 4.7.1' '452 4.3.1' 450; do
      sink $extension --fault "rcpt~blk=$code not now"
      [ $extension != --lmtp ] || via=lmtp${via#smtp}
      run ml-send --again --via "$via" --undelivered left <in
      echo "with $extension $code: $output"
      is 75 "$status"
      [[ "$output" != *busy* ]]
      sunk
      is 35 "$(wc -l <log)"
      is 600 "$(rcpts left | grep -c ^blk)"
      is 600 "$(grep -c "reply=$code not now" left)"
      is 600 "$(rcpts left | wc -l)"
      rm left
    done
  done
}

@test "faults: several domains beside one another that are deferred do not keep the relay from the others" {
  verp $(for i in {1..9}; do seq -f "blk%g@blk$i.example" 30; done) $(seq -f 'z%g@z.example' 30) >in
  sink --fault 'rcpt~blk=451 4.7.1 not now'
  run ml-send --via "$via" --undelivered left <in
  sunk
  is 30 "$(wc -l <log)"
  is 270 "$(rcpts left | grep -c ^blk)"
}

@test "faults: a relay that defers everybody is left alone and whoever it was not asked for is told so" {
  verp $(for i in {1..200}; do seq -f "u%g@d$i.example" 10; done) >in
  for fault in 'rcpt=452 4.3.1 disk full' 'dot=451 4.3.0 no scanner'; do
    sink --fault "$fault"
    run ml-send --again --max-wait 1 --via "$via" --undelivered left <in
    is 75 "$status"
    [[ "$output" == *"is busy (${fault#*=}); it is given up"* ]]
    sunk
    is 2000 "$(rcpts left | wc -l)"
    is 2000 "$(($(grep -c "attempts=1.*relay=" left) + $(grep -c 'reply=451 4.4.5 not tried: the relay was busy' left)))"
    [ "$(grep -c "reply=${fault#*=}" left)" -lt 200 ]
    grep -q "reply=${fault#*=}" left
    run grep -q 'reply=451 4.4.5 .*relay=\|attempts=.*reply=451 4.4.5' left
    is 1 "$status"
    rm left
  done
}

@test "faults: whoever the fuse kept from being tried does not get what was said to others" {
  verp $(seq -f 'unknown%g@x.org' 30) $(seq -f 'u%g@x.org' 600) >in
  sink
  run ml-send --via "$via" --undelivered left <in
  is 75 "$status"
  sunk
  [[ "$output" == *"stopped: 20 recipients running got the same reply: 550 5.1.1"* ]]
  run grep -P '^rcpt\tu\d.*550 5' left
  is "" "$output"
  grep -qP '^rcpt\tu600@.*status=4\.4\.0.*reply=451 4\.4\.0 not tried' left
}

@test "faults: a relay that falls silent in the middle of a dialogue costs nobody the message" {
  verp $(seq -f 'u%g@x.org' 9) >in
  local senders=() dir
  for step in mail rcpt data; do
    for extensions in '' --without=PIPELINING; do
      dir=$step$extensions
      mkdir "$dir"
      cd "$dir"
      # shellcheck disable=SC2086 # no word or one
      sink $extensions --fault "$step>3=silence"
      ml-send --home home --for 1 --connections 1 --via "$via" --undelivered left <../in >said 2>&1 3>&- &
      senders+=($!)
      cd ..
    done
  done
  for sender in "${senders[@]}"; do
    status=0
    wait "$sender" || status=$?
    is 75 "$status"
  done
  for dir in */; do
    cd "$dir"
    echo "$dir: $(cat said)"
    [[ "$(cat said)" == "ml-send: 6 of 9 left ("*"); go on with: "* ]]
    is 6 "$(rcpts left | wc -l)"
    mv log first.log
    sink
    run ml-send --home home --via "$via" <left
    is "" "$output"
    is "$(rcpts ../in | sort)" "$(cat first.log log | cut -f2 | sort)"
    cd ..
  done
}

@test "faults: a reader of the left that has gone is 75 in silence and the same again goes on" {
  sink
  verp ann@x.org late@x.org full@x.org >in
  for signal in '' "trap '' PIPE;"; do
    run bash -c "$signal ml-send --via $via --undelivered - <in | :; exit \${PIPESTATUS[0]}"
    is 75 "$status"
    [[ "$output" != *left* ]]
  done
  is "ann@x.org late@x.org" "$(cut -f2 log | sort | paste -sd' ')"
  run ml-send --via "$via" --undelivered left <in
  is full@x.org "$(rcpts left)"
  is 2 "$(wc -l <log)"
  sunk
}

@test "faults: a full disk under the left is 75 and the same again goes on" {
  sink
  verp ann@x.org full@x.org >in
  for option in --undelivered --refused; do
    verp ann@x.org full@x.org unknown@x.org >in
    run ml-send --again --via "$via" $option /dev/full <in
    is 75 "$status"
    [[ "$output" == *"No space left on device"* ]]
    run ml-send --via "$via" --undelivered left --refused refused <in
    is 75 "$status"
    is full@x.org "$(rcpts left)"
    rm -f left refused
  done
  is 2 "$(grep -c ann@x.org log)"
  sunk
}

# unread: octets wait at the sink for it to read them.
unread() {
  grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$(cat port)") [0-9A-F:]+ 01 [0-9A-F]+:0*[1-9A-F]" /proc/net/tcp
}

@test "faults: SIGTERM waits for the answer about who is in flight" {
  sink
  mkfifo pipe
  ml-send --via "$via" --undelivered left <pipe 2>said 3>&- &
  local sender=$!
  exec 9>pipe
  verp a@x.org | sed '$d' >&9
  until [ "$(wc -l <log)" -eq 1 ]; do sleep 0.01; done # polls
  kill -STOP "$sink"
  printf 'rcpt\tb@x.org\tb+b@x.org\n' >&9
  until unread; do sleep 0.01; done # polls
  kill -TERM $sender
  until grep -q '^ShdPnd:\s0*$' /proc/$sender/status; do sleep 0.01; done # polls
  printf 'rcpt\tc@x.org\tb+c@x.org\nend\t0\n' >&9
  exec 9>&-
  kill -CONT "$sink"
  status=0
  wait $sender || status=$?
  is 75 "$status"
  sunk
  is "a@x.org b@x.org" "$(cut -f2 log | paste -sd' ')"
  is c@x.org "$(rcpts left)"
  is "" "$(grep twice said || true)"
}

@test "faults: a relay killed in the middle leaves everybody delivered, named or left" {
  sink
  mkfifo pipe
  ml-send --max-wait 1 --via "$via" --undelivered left <pipe 2>said 3>&- &
  local sender=$!
  exec 9>pipe
  verp $(seq -f 'u%g@x.org' 50) >in
  sed '$d' in >&9
  until [ "$(wc -l <log)" -ge 50 ]; do sleep 0.01; done # polls
  kill -STOP "$sink"
  printf 'rcpt\tv%s@x.org\tb+v@x.org\n' $(seq 20) >&9
  until unread; do sleep 0.01; done # polls
  kill -KILL "$sink"
  echo $'end\t0' >&9
  exec 9>&-
  status=0
  wait $sender || status=$?
  is 75 "$status"
  is 20 "$(rcpts left | grep -c ^v)"
  is 70 "$({ cut -f2 log; rcpts left; } | sort -u | wc -l)"
}

@test "faults: a large message does not fill the memory with its forms" {
  [ -z "${SAN:-}" ] || skip "the sanitizers want memory of their own"
  { message; head -c 15000000 /dev/urandom | base64; } >large
  { printf 'message\tx1\tn@x.org\t%s\trest=here\n' "$(base64 -w0 large)"; stream a@x.org b@x.org | tail -n +2; } >in
  for chunking in "" --chunking; do
    # shellcheck disable=SC2086 # no word or one
    sink $chunking
    python3 - ml-send --again --via "$via" >kilobytes <<'PYTHON'
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdin=open('in')).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
PYTHON
    sunk
    # 64 MB more than it has.
    [ "$(cat kilobytes)" -lt $((65536 + $(wc -c <large) / 1024)) ]
  done
  ml-send --again --via smtp://127.0.0.1:1 --max-wait 0 --undelivered left <in || is 75 $?
  cmp <(grep ^message in) <(grep ^message left)
}

@test "faults: whoever waits for the reader of a pipe hears that it is to end" {
  mkfifo pipe
  stream a@x.org >in
  ml-send --via null: --refused ref --undelivered pipe <in 3>&- &
  sender=$!
  until [ -e ref ] || ! kill -0 $sender; do sleep 0.01; done # polls
  until ! kill $sender 2>/dev/null; do sleep 0.01; done # polls
}
