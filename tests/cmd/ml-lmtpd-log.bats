load lmtp

# Five lists, so that one message makes a group that goes by the intake log.
setup() {
  common_setup
  lists="a b c d e"
  for list in $lists; do
    ml-list create $list@x.org
    keep_all $list@x.org
  done
  hands a@x.org b@x.org c@x.org d@x.org e@x.org >talk
}

# queue_made: the queue and the segments are there, and hold nothing.
queue_made() {
  strace -qqo /dev/null true 2>/dev/null || skip "strace cannot trace here"
  ml-lmtpd --log log <talk >out
  fresh
}

# fresh: nothing is held and nothing is logged.
fresh() {
  find "$ML_HOME/queue/held" -name 'r?*' -delete
  recovered
}

# power_back: the kernel's memory is gone: no segment is of this boot any more.
power_back() {
  local segment
  for segment in "$ML_HOME"/intake/*; do
    [ "$(head -c 6 "$segment" | tr -d '\0')" != mlpipe ] ||
      printf 00000000-1111-2222-3333-444444444444 | dd of="$segment" bs=1 seek=32 conv=notrunc status=none
  done
}

# recovered: somebody runs a queue, which recovers them all.
recovered() { ml-queue run bounces -- false; }

# all_there OUT: each list that OUT says has it has one whole entry, and no list has two.
all_there() {
  local list entry
  for entry in $(held); do is "$(printf 'end\t0')" "$(tail -n 1 "$entry")"; done
  for list in $lists; do
    count=$(held | xargs -r grep -l "list=$list@x.org" | wc -l)
    [ "$count" -le 1 ]
    if grep -q "^250 2.0.0 <$list@" "$1"; then is "$list 1" "$list $count"; fi
  done
}

# doubted: a segment is of no boot.
doubted() {
  local segment
  for segment in "$ML_HOME"/intake/*; do
    [ "$(tail -c +33 "$segment" | head -c 36 | tr -d '\0')" != "$(printf %36s '')" ] || return 0
  done
  return 1
}

@test "ml-lmtpd log: entries are in the log and synced before they are visible and before the reply" {
  ml-lmtpd --log log <talk >out # the segments are made
  find "$ML_HOME/queue/held" -name 'r?*' -delete
  strace -f -y -s 2000 -o trace -e trace=pwrite64,fdatasync,renameat,write ml-lmtpd --log log <talk >out
  order=$(sed -nE -e 's/.*pwrite64\([0-9]+<[^>]*intake\/[01]>, "mlpipe.*/head/p' -e 's/.*pwrite64.*list=.*/group/p' \
    -e 's/.*fdatasync\([0-9]+<[^>]*intake.*/sync/p' -e 's/.*renameat.*"tmp\/r.*/name/p' -e 's/.*write\(.*250 2.0.0 <a.*/reply/p' trace |
    uniq | head -n 5 | paste -sd' ')
  is "head group sync name reply" "$order"
}

@test "ml-lmtpd log: killed at any call and the power cut what was answered 250 is there once" {
  queue_made
  local call n kills=0
  for call in pwrite64 fdatasync syncfs renameat write; do
    for n in {1..40}; do
      fresh
      status=0
      strace -fqqo /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n ml-lmtpd --log log <talk >out 2>errors || status=$?
      [ $status -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      [ $((n % 2)) -eq 0 ] || power_back
      recovered
      all_there out
      ml-lmtpd --log log <talk >out
      is "$call $n: 5" "$call $n: $(held | wc -l)"
    done
  done
  [ "$kills" -ge 15 ]
}

# What is not synced is dropped (see tests/tools/power-cut.cpp), at each sync of the run in turn.
@test "ml-lmtpd log: a power cut at any sync leaves all that was answered 250 there once" {
  queue_made
  local cut=100 at
  for ((at = 1; cut == 100; at++)); do
    fresh
    cut=0
    power-cut "$ML_HOME" $at ml-lmtpd --log "$PWD/log" <talk >out 2>errors || cut=$?
    power_back
    recovered
    all_there out
  done
  is 0 "$cut"
  is 5 "$(held | wc -l)"
  [ $at -gt 3 ]
}

@test "ml-lmtpd log: recovery killed at any call and begun again restores all" {
  queue_made
  fresh
  # Both syncs of the group are done, then it dies: nothing is visible.
  strace -fqqo /dev/null -e trace=renameat -e inject=renameat:signal=KILL:when=1 ml-lmtpd --log log <talk >out 2>errors || true
  power_back
  cp -r "$ML_HOME" forsaken
  local call n kills=0
  for call in write pwrite64 fsync fdatasync renameat utimensat; do
    for n in {1..20}; do
      rm -rf "$ML_HOME"
      cp -r forsaken "$ML_HOME"
      status=0
      strace -fqqo /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n ml-queue run bounces -- false 2>errors || status=$?
      [ $status -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      recovered
      is "$call $n: 5" "$call $n: $(held | wc -l)"
    done
  done
  [ "$kills" -ge 10 ]
}

@test "ml-lmtpd log: what one runner restores is run by the runners of its queues" {
  queue_made
  for list in $lists; do
    : >"$ML_HOME/lists/x.org/$list.toml"
    echo ann@example.org | ml-store import $list@x.org - 2>errors
  done
  smtp-sink --port 0 --port-file port --log sent >totals &
  sink=$!
  until [ -s port ]; do sleep 0.02; done # polls
  echo "via = \"smtp://127.0.0.1:$(cat port)\"" >"$ML_HOME/lists.toml"
  # The first name is that of the queue post.
  strace -fqqo /dev/null -e trace=renameat -e inject=renameat:signal=KILL:when=2 ml-lmtpd --log log <talk >out 2>errors || true
  is "" "$(ml-queue list post)"
  power_back
  recovered
  for ((i = 0; i < 300 && $(wc -l <sent) < 5; ++i)); do sleep 0.1; done # polls
  kill $sink
  wait $sink
  is 5 "$(wc -l <sent)"
}

@test "ml-lmtpd log: a disk that fails is 451 and never 250 and takes nothing away" {
  queue_made
  for fault in pwrite64:error=ENOSPC:when=1 pwrite64:error=EIO:when=2 fdatasync:error=EIO:when=1 renameat:error=EIO:when=3; do
    fresh
    strace -fqqo /dev/null -e trace=${fault%%:*} -e inject=$fault ml-lmtpd --log log <talk >out 2>errors
    is "$fault 5" "$fault $(grep -c ^451 out)"
    ml-lmtpd --log log <talk >out
    is "$fault 5" "$fault $(grep -c '^250 2.0.0 <' out)"
    is 5 "$(held | wc -l)"
  done
}

@test "ml-lmtpd log: a disk without room for the log takes mail without it" {
  ml-lmtpd --log log <talk >out
  rm -rf "$ML_HOME/intake"
  fresh
  strace -fqqo /dev/null -e trace=pwrite64 -e inject=pwrite64:error=ENOSPC:when=3+ ml-lmtpd --log log <talk >out 2>errors
  is 5 "$(grep -c '^250 2.0.0 <' out)"
  is 5 "$(held | wc -l)"
  is 0 "$(cat "$ML_HOME"/intake/* | wc -c)"
}

@test "ml-lmtpd log: after a checkpoint that failed the next group is refused and the entries are written anew" {
  queue_made
  fresh
  strace -fqqo /dev/null -e trace=syncfs -e inject=syncfs:error=EIO ml-lmtpd --listen "unix:$PWD/socket" --log "$PWD/log" 2>errors &
  tracer=$!
  until [ -S socket ] || ! kill -0 $tracer; do sleep 0.02; done # polls
  mail-load --lmtp --connections 1 --messages 1 $(for list in $lists; do echo --rcpt $list@x.org; done) "unix:$PWD/socket" >counts
  until doubted || ! kill -0 $tracer; do sleep 0.05; done # polls
  mail-load --lmtp --connections 1 --messages 1 $(for list in $lists; do echo --rcpt $list@x.org; done) "unix:$PWD/socket" >counts
  grep -q 'cannot sync the file system' log
  kill "$(pgrep -P $tracer)"
  wait $tracer
  stat -c %i $(held) | sort >before
  recovered
  is 5 "$(held | wc -l)"
  stat -c %i $(held) | sort >after
  is "" "$(comm -12 before after)"
}

@test "ml-lmtpd log: killed under load and the power cut every message that was answered is there" {
  lmtpd
  local n=0
  mail-load --lmtp --connections 20 --messages 100000 --rcpt a@x.org --log taken "unix:$PWD/socket" >counts &
  load=$!
  until [ "$(held | wc -l)" -gt 100 ]; do sleep 0.02; done # polls
  kill -KILL $daemon
  wait $load
  daemon=
  # Of what is not synced a power cut leaves something or nothing.
  for segment in "$ML_HOME"/intake/*; do
    [ "$(head -c 6 "$segment" | tr -d '\0')" != mlpipe ] || grep -aoE '\br[a-z2-7]{26}' "$segment"
  done | sort -u >logged
  [ -s logged ]
  for entry in $(held | grep -Ff logged); do
    if ((++n % 2)); then rm "$entry"; else : >"$entry"; fi
  done
  power_back
  recovered
  for entry in $(held); do decoded <"$entry" | sed -n 's/^Subject: message //p'; done | sort >there
  is "" "$(sort taken | comm -23 - there)"
  is "" "$(uniq -d there)"
}
