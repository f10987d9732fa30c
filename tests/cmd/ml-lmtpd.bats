load lmtp

# The list news@x.org keeps what is posted to it in the queue held, where no runner takes it away.
setup() {
  common_setup
  ml-list create news@x.org
  ml-list create dev@x.org
  keep_all news@x.org
  keep_all dev@x.org
}

# on_port: a daemon on a free port of loopback.
on_port() {
  while port=$((20000 + RANDOM % 20000)); do
    ml-lmtpd --listen $port --log "$PWD/log" "$@" 2>errors &
    daemon=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || ! kill -0 $daemon 2>/dev/null; do sleep 0.02; done
    if kill -0 $daemon 2>/dev/null; then return; fi
  done
}

@test "ml-lmtpd: a message is kept for each recipient and each has a reply of its own" {
  hands news@x.org nobody@x.org dev@x.org news-bounces+rubbish@x.org | ml-lmtpd --log log >out
  is "220 250 250 250 550 250 250 354 250 250 " "$(codes <out | sed 's/[0-9]* 221$//')"
  is 2 "$(held | wc -l)"
  grep -q '^author=\|author=ann@example.org' <(tr '\t' '\n' <"$(held | head -n 1)")
}

@test "ml-lmtpd: a post reaches every subscriber once by a runner that nobody had to start" {
  : >"$ML_HOME/lists/x.org/news.toml"
  printf '%s\n' ann@example.org bob@example.com | ml-store import news@x.org - 2>errors
  smtp-sink --port 0 --port-file port --log sent >totals &
  sink=$!
  until [ -s port ]; do sleep 0.02; done
  echo "via = \"smtp://127.0.0.1:$(cat port)\"" >"$ML_HOME/lists.toml"
  lmtpd
  mail-load --lmtp --connections 5 --messages 10 "unix:$PWD/socket" >counts
  grep -q '^taken 10 refused 0 lost 0' counts
  until [ "$(cat sent 2>/dev/null | wc -l)" -ge 20 ] && ! ml-queue list post | grep -q r; do sleep 0.1; done
  kill $sink
  wait $sink
  is 20 "$(cut -f1,2 sent | sort -u | wc -l)"
  is 20 "$(wc -l <sent)"
}

@test "ml-lmtpd: verdicts are replies: not permitted and too big and at fault" {
  : >"$ML_HOME/lists/x.org/news.toml" # subscribers post, others are rejected
  keep_all dev@x.org 'max-size = 20'
  hands news@x.org dev@x.org | ml-lmtpd --log log >out
  is "220 250 250 250 250 354 550 552 221" "$(codes <out)"
  grep -q '^550 5.7.1 only subscribers may post to news@x.org' out
  grep -q '^552 5.3.4 ' out
  { says 'LHLO mx.test' 'MAIL FROM:<ann@example.org>' 'RCPT TO:<news@x.org>' DATA 'To: x' '' Hi . QUIT; } |
    ml-lmtpd --log log | grep -q '^554 5.6.0 '
  is "" "$(held)"
}

@test "ml-lmtpd: trouble of ours is 451 and the next message is taken" {
  echo 'post = 7' >"$ML_HOME/lists/x.org/news.toml"
  { says 'LHLO mx.test' 'MAIL FROM:<ann@example.org>' 'RCPT TO:<news@x.org>' DATA; letter
    says 'MAIL FROM:<ann@example.org>' 'RCPT TO:<dev@x.org>' DATA; letter; says QUIT; } | ml-lmtpd --log log >out
  is "220 250 250 250 354 451 250 250 354 250 221" "$(codes <out)"
  grep -q 'news@x.org from ann@example.org: ' log
}

@test "ml-lmtpd: the text is kept without its stuffed dots and no disguise ends it" {
  { says 'LHLO mx.test' 'MAIL FROM:<ann@example.org>' 'RCPT TO:<news@x.org>' DATA 'From: ann@example.org' '' ..dots
    printf 'a\n.\nMAIL FROM:<eve@x.org>\r\n.\r\n'; says QUIT; } | ml-lmtpd --log log >out
  is "220 250 250 250 354 250 221" "$(codes <out)"
  is "$(printf '.dots\na\n.\nMAIL FROM:<eve@x.org>')" "$(decoded <"$(held)" | tail -n 4)"
}

@test "ml-lmtpd: the talk may come one octet at a time" {
  on_port
  exec 5<>"/dev/tcp/127.0.0.1/$port"
  hands news@x.org >talk
  size=$(stat -c %s talk)
  for ((i = 0; i < size; ++i)); do dd if=talk bs=1 skip=$i count=1 status=none >&5; done
  is "220 250 250 250 354 250 221" "$(codes <&5)"
}

# --- durable before it is said --------------------------------------------------------------

@test "ml-lmtpd: the entry and its name are synced before the reply" {
  hands news@x.org >talk
  strace -f -y -s 2000 -o trace -e trace=write,fsync,syncfs,renameat ml-lmtpd --log log <talk >out
  order=$(sed -nE -e 's/.*fsync\([0-9]+<[^>]*\/held\/tmp\/r[^>]*>.*/file/p' -e 's/.*renameat.*"tmp\/r.*/name/p' \
    -e 's/.*fsync\([0-9]+<[^>]*\/held\/[a-z2-7]>.*/directory/p' -e 's/.*write\(.*250 2.0.0 <news.*/reply/p' trace | paste -sd' ')
  is "file name directory reply" "$order"
}

@test "ml-lmtpd: killed at any call what was answered 250 is there whole and nothing is there twice" {
  hands news@x.org dev@x.org >talk
  local call n kills=0
  for call in openat read write fsync syncfs renameat; do
    for n in {1..60}; do
      rm -rf "$ML_HOME/queue"
      status=0
      strace -fqqo /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n ml-lmtpd --log log <talk >out 2>errors ||
        status=$?
      [ $status -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      for list in news dev; do
        if grep -q "^250 2.0.0 <$list" out; then grep -ql "list=$list@x.org" $(held); fi
      done
      for entry in $(held); do is "$(printf 'end\t0')" "$(tail -n 1 "$entry")"; done
      ml-lmtpd --log log <talk >out
      is "$call $n: 2" "$call $n: $(held | wc -l)"
    done
  done
  [ "$kills" -ge 30 ]
}

@test "ml-lmtpd: a disk that fails is 451 for whom it concerns and never 250" {
  hands news@x.org dev@x.org >talk
  ml-lmtpd --log log <talk >out # the queue is made
  for call in fsync renameat; do
    for n in 1 2; do
      find "$ML_HOME/queue/held" -name 'r*' -delete
      strace -fqqo /dev/null -e trace=$call -e inject=$call:error=EIO:when=$n ml-lmtpd --log log <talk >out 2>errors
      is "$call $n: 220 250 250 250 250 354 451 451 221" "$call $n: $(codes <out)"
    done
  done
}

@test "ml-lmtpd: killed under load every message that was answered is there" {
  lmtpd
  mail-load --lmtp --connections 20 --messages 100000 --log taken "unix:$PWD/socket" >counts &
  load=$!
  until [ "$(held | wc -l)" -gt 200 ]; do sleep 0.02; done # polls
  kill -KILL $daemon
  wait $load
  for entry in $(held); do decoded <"$entry" | sed -n 's/^Subject: message //p'; done | sort >there
  is "" "$(sort taken | comm -23 - there)"
  is "" "$(uniq -d there)"
  [ "$(wc -l <taken)" -gt 100 ]
}

# --- many at once ---------------------------------------------------------------------------

@test "ml-lmtpd: messages of many connections share a sync" {
  strace -f -y -o calls -e trace=fsync,fdatasync -e inject=fdatasync:delay_enter=5000 ml-lmtpd --listen "unix:$PWD/socket" --log log 2>errors &
  until [ -S socket ]; do sleep 0.02; done
  mail-load --lmtp --connections 20 --messages 400 "unix:$PWD/socket" >counts
  grep -q '^taken 400 refused 0 lost 0' counts
  daemon=$(pgrep -P $!)
  kill "$daemon"
  wait $!
  daemon=
  is 400 "$(held | wc -l)"
  grep -q 'fdatasync(.*/intake/' calls
  [ "$(grep -cE '(fsync|fdatasync)\(' calls)" -lt 200 ]
}

@test "ml-lmtpd: large messages on many connections wait on disk and not in memory" {
  lmtpd
  mail-load --lmtp --connections 1 --messages 1 --size 4M "unix:$PWD/socket" >counts
  one=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$daemon/status)
  mail-load --lmtp --connections 20 --messages 20 --size 4M "unix:$PWD/socket" >counts
  grep -q '^taken 20 refused 0 lost 0' counts
  many=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$daemon/status)
  echo "$one KB for one, $many KB for twenty"
  [ -n "${SAN:-}" ] || [ "$many" -lt $((one + 10000)) ]
}

@test "ml-lmtpd: a message for more recipients than entries are held open goes to all of them" {
  for ((i = 0; i < 300; ++i)); do echo "news@x.org"; done >rcpts
  hands $(cat rcpts) | ml-lmtpd --log log >out
  is 300 "$(grep -c '^250 2.0.0 <news@x.org> has it' out)"
  is 1 "$(held | wc -l)"
}

@test "ml-lmtpd: whoever comes when all places are taken waits for one" {
  on_port --connections 1
  exec 5<>"/dev/tcp/127.0.0.1/$port"
  read -r greeting <&5
  exec 6<>"/dev/tcp/127.0.0.1/$port"
  says QUIT >&6
  run ! read -r -t 0.3 greeting <&6
  says QUIT >&5
  read -r -t 10 greeting <&6
  [[ "$greeting" == "220 "* ]]
}

@test "ml-lmtpd: a client that is idle makes room for one that waits" {
  on_port --connections 1
  exec 5<>"/dev/tcp/127.0.0.1/$port"
  read -r greeting <&5
  exec 6<>"/dev/tcp/127.0.0.1/$port"
  read -r -t 20 greeting <&6
  [[ "$greeting" == "220 "* ]]
  read -r farewell <&5
  [[ "$farewell" == "421 4.4.2 "* ]]
}

# --- as a service ---------------------------------------------------------------------------

@test "ml-lmtpd: SIGTERM gives 421 to those who wait and leaves with 0 and takes its socket away" {
  on_port --listen "unix:$PWD/socket"
  exec 5<>"/dev/tcp/127.0.0.1/$port"
  read -r greeting <&5
  stopped
  read -r farewell <&5
  [[ "$farewell" == "421 4.3.2 "* ]]
  [ ! -e socket ]
}

@test "ml-lmtpd: a signal that comes while it syncs ends it and waits for no further client" {
  hands news@x.org >talk
  ml-lmtpd --log log <talk >out # the queue is made
  strace -qqo /dev/null -e trace=fsync -e inject=fsync:signal=TERM:when=1 ml-lmtpd --listen "unix:$PWD/socket" --log log 2>errors 3>&- &
  tracer=$!
  until [ -S socket ] || ! kill -0 $tracer; do sleep 0.02; done # polls
  mail-load --lmtp --connections 1 --messages 1 "unix:$PWD/socket" >counts
  wait $tracer
  grep -q '^taken 1 refused 0 lost 0' counts
  is 2 "$(held | wc -l)"
}

@test "ml-lmtpd: a client that reads none of its replies keeps a socket of inetd from no signal" {
  python3 - <<'PYTHON'
import select, signal, socket, subprocess, time
ours, theirs = socket.socketpair()
theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
daemon = subprocess.Popen(['ml-lmtpd', '--log', 'log'], stdin=theirs, stdout=theirs)
theirs.close()
assert ours.recv(4096).startswith(b'220 ')
ours.sendall(b'NOOP\r\n' * 2000)
select.select([ours], [], [])  # the first of the replies, more than its socket holds
daemon.send_signal(signal.SIGTERM)

def pending():
    with open(f'/proc/{daemon.pid}/status') as status:
        return any(line.startswith('ShdPnd') and int(line.split()[1], 16) for line in status)

for _ in range(1000):  # polls
    if not pending():
        break
    time.sleep(0.01)
taken = not pending()
ours.close()
assert daemon.wait() == 0
assert taken
PYTHON
}

@test "ml-lmtpd: a socket is for its owner and group and a dead one is taken over and a live one is not" {
  lmtpd
  is 660 "$(stat -c %a socket)"
  run --separate-stderr ml-lmtpd --listen "unix:$PWD/socket"
  is 75 "$status"
  [[ "$stderr" == *"another service listens there"* ]]
  kill -KILL "$daemon"
  wait "$daemon" || true
  [ -S socket ]
  rm errors
  ml-lmtpd --listen "unix:$PWD/socket" --log "$PWD/log" &
  daemon=$!
  until mail-load --lmtp --messages 1 "unix:$PWD/socket" | grep -q '^taken 1 '; do sleep 0.05; done
  stopped
}

@test "ml-lmtpd: what is no socket is not taken over" {
  echo precious >socket
  run --separate-stderr ml-lmtpd --listen "unix:$PWD/socket"
  is 75 "$status"
  is precious "$(cat socket)"
}

@test "ml-lmtpd: it serves the socket of systemd and tells how it is" {
  supervise "$PWD/socket" states ml-lmtpd --log "$PWD/log" &
  until grep -qx READY=1 states 2>/dev/null || ! kill -0 $!; do sleep 0.02; done # polls
  mail-load --lmtp --messages 3 "unix:$PWD/socket" >counts
  grep -q '^taken 3 ' counts
  kill "$(pgrep -P $!)"
  wait $!
  is "READY=1 STOPPING=1" "$(paste -sd' ' states)"
  [ -S socket ] # it is not ours to remove
}

@test "ml-lmtpd: what cannot be served is 75" {
  for where in nowhere unix: unix:relative "unix:/$(printf '%0200d' 0)" 127.0.0.1:x 99999 unix:/nowhere/at/all; do
    run --separate-stderr ml-lmtpd --listen "$where"
    is "$where 75" "$where $status"
    [ -n "$stderr" ]
  done
  run ml-lmtpd --home "$PWD/nowhere" </dev/null
  is 75 "$status"
  run ml-lmtpd operand </dev/null
  is 75 "$status"
}

@test "ml-lmtpd: a path alone is a socket to listen on" {
  ml-lmtpd --listen "$PWD/bare" --log log 2>errors &
  daemon=$!
  until [ -S bare ] || ! kill -0 $daemon 2>/dev/null; do sleep 0.02; done # polls
  [ -S bare ]
}
