# What is installed beside the programs: units of systemd, and what a Debian package runs.
load common

root="$BATS_TEST_DIRNAME/../.."

# stub NAME COMMAND: plays a program in ./stub.
stub() {
  mkdir -p stub
  printf '#!/bin/sh\n%s\n' "$2" >"stub/$1"
  chmod +x "stub/$1"
}
# at_home FILE: a maintainer script for our home, which knows no user of this machine.
at_home() {
  stub getent 'exit 2'
  sed "s|/var/lib/mlpipe|$ML_HOME|; s|/etc/systemd|$PWD/etc/systemd|; s|/run/systemd|$PWD/run/systemd|" "$root/debian/$1" >"$1"
}

@test "units: journals are pruned where a notice cannot be sent and the sweep has failed all the same" {
  stub ml-bounce 'echo end'
  stub ml-send 'cat >/dev/null; exit 75'
  stub ml-log 'echo "$@" >pruned'
  line=$(sed -n "/^ExecStart=/,/'\$/p" "$root/scripts/systemd/mlpipe-sweep.service" | sed "s/.* -c '//; s/'\$//; s/\\$\\$/\$/g")
  run sh -c "${line//\/usr\/bin/stub}"
  is 75 "$status"
  is --prune "$(cat pruned)"
  stub ml-send 'cat >/dev/null'
  run sh -c "${line//\/usr\/bin/stub}"
  is 0 "$status"
}

@test "units: every unit is one that systemd understands" {
  [ -n "$(command -v systemd-analyze)" ] || skip "needs systemd-analyze"
  mkdir units
  for unit in "$root"/scripts/systemd/mlpipe-*; do
    sed "s|/usr/bin/ml-|$BUILD_DIR/bin/ml-|" "$unit" >"units/${unit##*/}"
  done
  run systemd-analyze verify --man=no units/*
  is "" "$output"
  is 0 "$status"
}

# of_unit KEY: what mlpipe-queue@.service says, else what systemd does without.
of_unit() { sed -n "s/^$1=//p" "$root/scripts/systemd/mlpipe-queue@.service" | grep . || echo SIGKILL; }
polled() { for ((i = 0; i < 1500; ++i)); do "$@" && return; sleep 0.02; done; cat log.txt; return 1; } # polls
# What the relay, which has stopped, has not read yet: more than a message.
is_in_flight() {
  local line port=$(printf ':%04X' "$(cat port)")
  while read -r line; do
    set -- $line
    [[ "$2" != *"$port" || "$4" != 01 || $((16#${5#*:})) -lt 5000 ]] || return 0
  done </proc/net/tcp
  return 1
}

@test "units: a runner that is stopped and then ended in the middle of a send mails nobody twice" {
  is mixed "$(of_unit KillMode)"
  mkdir -m 700 "$ML_HOME"
  smtp-sink --chunking --port 0 --port-file port --log log 3>&- &
  sink=$!
  polled test -s port
  printf 'via = "smtp://127.0.0.1:%s"\nlog = "%s/log.txt"\n' "$(cat port)" "$PWD" >"$ML_HOME/lists.toml"
  echo 'pipeline.post = ["ml-send --connections 1 --rate 500"]' >>"$ML_HOME/lists.toml"
  { printf 'message\tx1\tnews-bounces@x.org\t%s\n' "$({ message; seq 2000; } | base64 -w0)"
    printf 'rcpt\tuser%s@example.org\t-\n' $(seq 1000); printf 'end\t0\n'; } | ml-queue put post 2>/dev/null
  setsid ml-queue run post --pause 1 -- ml-run --from post 2>said 3>&- &
  group=$!
  polled test -s log
  kill -STOP $sink
  polled is_in_flight
  # What systemd does after TimeoutStopSec, with whatever is left.
  kill -TERM $group
  kill -"$(of_unit FinalKillSignal)" -- -$group
  kill -CONT $sink
  is_over() { ! kill -0 -- -$group 2>/dev/null; }
  polled is_over
  wait $group || true
  [ "$(wc -l <log)" -lt 1000 ]
  ml-queue retry post
  ml-queue run post --until-empty --pause 1 --max-pause 1 -- ml-run --from post 2>>said
  kill $sink
  is 1000 "$(cut -f2 log | sort -u | wc -l)"
  is 1000 "$(wc -l <log)"
  [ "$(cat said log.txt | grep -c twice)" = 0 ]
}

# globs: what mlpipe-maildir.path waits for, of the Maildir here.
globs() { sed -n "s|^PathExistsGlob=/var/lib/mlpipe/in/|$PWD/in/|p" "$root/scripts/systemd/mlpipe-maildir.path"; }
is_awaited() {
  local glob
  for glob in $(globs); do compgen -G "$glob" >>found && return; done
  return 1
}

@test "units: a message that could not be taken starts the Maildir's service again until it is taken" {
  ml-list create news@x.org
  printf 'post = "nobody"\nelse = "hold"\n' >"$ML_HOME/lists/x.org/news.toml"
  mkdir -p in/{new,cur,tmp}
  { printf 'Delivered-To: news@x.org\n'; message; } >in/new/1
  is_awaited
  chmod o+w "$ML_HOME/lists/x.org/news.toml"
  run ml-receive --maildir in
  is 75 "$status"
  is_awaited
  chmod o-w "$ML_HOME/lists/x.org/news.toml"
  ml-receive --maildir in --log log
  run is_awaited
  is 1 "$status"
  { printf 'Delivered-To: nobody@x.org\n'; message; } >in/new/2
  ml-receive --maildir in --log log
  [ -e in/.rejected/new/2 ]
  run is_awaited
  is 1 "$status"
}

@test "debian: a removed package has told the runners that were left behind" {
  mkdir -m 700 "$ML_HOME"
  ml-queue put post --name one <<<hello 2>/dev/null
  ml-queue run post --watch -- 'cat >>seen' 3>&- &
  runner=$!
  while [ ! -s seen ]; do kill -0 $runner; sleep 0.01; done # polls
  at_home prerm
  sh prerm upgrade
  kill -0 $runner
  sh prerm remove
  wait $runner
}

@test "debian: a unit that does not start again leaves the package configured" {
  mkdir -p run/systemd/system "$ML_HOME"
  for program in getent systemd-tmpfiles; do stub $program 'exit 0'; done
  stub systemctl 'echo "$*" >>asked; exit 1'
  at_home postinst
  PATH="$PWD/stub:$PATH" sh postinst configure 0.1
  is "daemon-reload try-restart" "$(cut -d' ' -f1 asked | paste -sd' ')"
}

@test "debian: purging ends no process of another user" {
  [ "$(id -u)" -eq 0 ] || skip "needs root"
  mkdir -m 755 "$ML_HOME"
  echo map >"$ML_HOME/aliases.db"
  chown 12345 "$ML_HOME"
  tail -f "$ML_HOME/aliases.db" >/dev/null 3>&- &
  server=$!
  until ls -l /proc/$server/fd 2>/dev/null | grep -q aliases.db; do kill -0 $server; sleep 0.01; done # polls
  at_home postrm
  PATH="$PWD/stub:$PATH" sh postrm purge
  kill -0 $server
  kill $server
  [ ! -e "$ML_HOME" ]
}

@test "debian: purging ends who is at work on the home and leaves nothing of it" {
  mkdir -m 700 "$ML_HOME"
  mkfifo gate
  ml-queue put post --name one <<<hello 2>/dev/null
  ml-queue run post -- 'cat >>seen; cat gate' 3>&- &
  runner=$!
  while [ ! -s seen ]; do kill -0 $runner; sleep 0.01; done # polls
  at_home postrm
  sh postrm remove
  kill -0 $runner
  PATH="$PWD/stub:$PATH" sh postrm purge
  status=0
  wait $runner || status=$?
  is 137 "$status"
  [ ! -e "$ML_HOME" ]
}
