# A client's side of ml-lmtpd, and lists whose posts stay where a test finds them. A file that loads
# this has a setup of its own, which begins with common_setup.

bats_require_minimum_version 1.5.0
load common
eval "common_$(declare -f setup)"

teardown() {
  [ -z "${daemon:-}" ] || kill "$daemon" 2>/dev/null || true
}

# keep_all LIST [SETTING]: every post is held, whoever wrote it.
keep_all() {
  printf 'post = "nobody"\nelse = "hold"\n%s\n' "${2:-}" >"$ML_HOME/lists/${1#*@}/${1%@*}.toml"
}

# says LINE...: these lines with CRLF.
says() { printf '%s\r\n' "$@"; }

# letter [SUBJECT]: the lines of a message and its dot.
letter() { says 'From: ann@example.org' "Subject: ${1:-hello}" '' 'Hello.' .; }

# hands RCPT...: the talk of a client with one message for these recipients.
hands() {
  says 'LHLO mx.test' 'MAIL FROM:<ann@example.org>'
  local one
  for one; do says "RCPT TO:<$one>"; done
  says DATA
  letter
  says QUIT
}

# codes: of the replies on stdin, in one line.
codes() { tr -d '\r' | sed -n 's/^\([0-9][0-9][0-9]\) .*/\1/p' | paste -sd' '; }

# held: the entries kept, a path a line.
held() { find "$ML_HOME/queue/held" -regex '.*/[a-z2-7]/r[a-z2-7.]+' 2>/dev/null; }

# lmtpd OPTION...: a daemon on ./socket, there when this returns.
lmtpd() {
  ml-lmtpd --listen "unix:$PWD/socket" --log "$PWD/log" "$@" 2>errors &
  daemon=$!
  until [ -S socket ] || ! kill -0 $daemon; do sleep 0.02; done
}

# stopped: ends the daemon and gives its status.
stopped() {
  local status=0
  kill "$daemon"
  wait "$daemon" || status=$?
  daemon=
  return $status
}
