# A relay of our own for tests of ml-send: smtp-sink on loopback.

# begin_sink [OPTION...]: a sink behind $via, its address and port in $at; its log goes on in log.
begin_sink() {
  rm -f port
  smtp-sink --port-file port --log log "$@" >counts 2>violations 3>&- &
  sink=$!
  sinks+=("$sink")
  until [ -e port ] || ! kill -0 "$sink"; do sleep 0.01; done # polls
  at="127.0.0.1:$(cat port)" via="smtp://$at"
}

# sink [OPTION...]: a new log, and the messages in mail.
sink() {
  mkdir -p mail
  : >log
  begin_sink --messages mail "$@"
}

# black_hole [ADDRESS [PORT]]: a relay at $hole that lets nobody in and nobody down: its queue is full.
black_hole() {
  rm -f hole.port
  python3 - "${1:-127.0.0.1}" "${2:-0}" 3>&- <<'PYTHON' &
import os, signal, socket, sys
hole = socket.socket()
hole.bind((sys.argv[1], int(sys.argv[2])))
hole.listen(0)
callers = [socket.socket() for _ in range(8)]
for caller in callers:
    caller.setblocking(False)
    caller.connect_ex(hole.getsockname())
with open('hole.new', 'w') as file:
    file.write(str(hole.getsockname()[1]))
os.rename('hole.new', 'hole.port')
signal.pause()
PYTHON
  sinks+=($!)
  until [ -e hole.port ] || ! kill -0 $!; do sleep 0.01; done # polls
  hole="smtp://${1:-127.0.0.1}:$(cat hole.port)"
}

# sunk: the last one ends; fails if the client ever broke the protocol.
sunk() {
  kill "$sink"
  wait "$sink" || { cat violations; return 1; }
}

# rcpts FILE...: the recipients of these streams.
rcpts() { grep -h ^rcpt "$@" 2>/dev/null | cut -f2; }

# verp N...: a stream in which each recipient has a sender of its own.
verp() {
  stream "$@" | sed -E 's/^rcpt\t(.*)@(.*)\t-$/rcpt\t\1@\2\tb+\1=\2@x.org/'
}

# Whatever became of the test; one that it has stopped too. `runner` is one that it began.
teardown() {
  local pid
  for pid in "${sinks[@]}" ${runner:-}; do kill "$pid" 2>/dev/null && kill -CONT "$pid" 2>/dev/null; done
  true
}
