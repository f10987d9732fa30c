# What the tests under a real mail server share: free ports, waiting, the programs, a home with
# lists in three domains, the sink that all relayed mail goes to, and talk over SMTP.

# free_port: a TCP port on loopback that nobody listens on. Postfix binds with SO_REUSEPORT, so
# that two of them on one port would start and share the connections.
free_port() {
  local port
  while port=$((20000 + RANDOM % 20000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
  done
}

# until_true SECONDS COMMAND...: asks again until it is true, fails when the time is over.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05 # polls
  done
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Nobody may be there to collect its status, so one without a command line has gone as well.
is_gone() { [ -z "$(tr -d '\0' 2>/dev/null <"/proc/$1/cmdline")" ]; }

# stop FILE: ends the process whose number is in it, if there is one.
stop() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  rm "$1"
  kill "$pid" 2>/dev/null || return 0
  until_true 10 is_gone "$pid"
}

# is EXPECTED ACTUAL: fails with both when they differ.
is() {
  [ "$1" = "$2" ] && return
  printf 'expected: %s\nactual:   %s\n' "$1" "$2"
  return 1
}

# install_programs: below $T/root, as a package has them; $P is their directory.
install_programs() {
  T=$(mktemp -d /tmp/mlpipe-mta.XXXXXX)
  chmod 755 "$T"
  make --no-print-directory -s install DESTDIR="$T/root" PREFIX=/usr >/dev/null
  P="$T/root/usr/bin" ML_HOME="$T/home" PATH="$T/root/usr/bin:$PATH"
  export T P ML_HOME PATH
  install -d -o list -g list -m 700 "$T/home"
}

# The home's owner is `list`, whom every Debian has.
run_as_list() { setpriv --reuid=list --regid=list --clear-groups env ML_HOME="$ML_HOME" PATH="$PATH" "$@"; }

# make_lists: one name in two domains, and names with hyphens that begin alike. A list's one
# subscriber is called after it.
lists=(announce@a.test dev-announce@a.test dev@a.test announce@b.test the-long-name-of-a-list@c.test)
make_lists() {
  local list
  for list in "${lists[@]}"; do
    run_as_list ml-list create "$list" --owner "owner-of-$list.example"
    run_as_list ml-store add "$list" "ann@example.org" "to-${list/@/-at-}@example.net"
  done
}

# start_sink: takes whatever comes on $SINK_PORT; $T/sink/log has sender TAB recipient.
start_sink() {
  mkdir -p "$T/sink/mail"
  "$BUILD_DIR/tests/bin/smtp-sink" --port "$SINK_PORT" --log "$T/sink/log" --messages "$T/sink/mail" \
    >"$T/sink/out" 2>&1 3>&- &
  echo $! >"$T/sink/pid"
  until_true 10 port_answers "$SINK_PORT" || { cat "$T/sink/out"; return 1; }
}
stop_sink() { stop "$T/sink/pid"; }
recipients() { cut -f2 "$T/sink/log" | LC_ALL=C sort | paste -sd' '; }
forget() { : >"$T/sink/log"; }
# reaches RECIPIENT...: waits until all of them have it, and nobody else.
has_reached() { [ "$(recipients)" = "$1" ]; }
reaches() {
  until_true 30 has_reached "$(printf '%s\n' "$@" | LC_ALL=C sort | paste -sd' ')" ||
    { echo "reached: $(recipients)"; return 1; }
}

# post FROM TO [SUBJECT]: a new message, through SMTP to $PORT.
post() {
  printf 'From: %s\nTo: %s\nSubject: %s\nMessage-ID: <%s@example.org>\n\nHello.\n.dot\n' \
    "$1" "$2" "${3:-hello}" "$RANDOM$RANDOM" >"$T/message"
  smtp-source -f "$1" -t "$2" -F "$T/message" "127.0.0.1:$PORT"
}

# reply_to_rcpt ADDRESS: what the server at $PORT says to RCPT TO.
reply_to_rcpt() {
  local line command
  exec 4<>"/dev/tcp/127.0.0.1/$PORT"
  for command in "" "EHLO client.test" "MAIL FROM:<ann@example.org>" "RCPT TO:<$1>"; do
    [ -z "$command" ] || printf '%s\r\n' "$command" >&4
    while IFS= read -r -t 5 line <&4 && [[ "$line" == ???-* ]]; do :; done
  done
  printf 'QUIT\r\n' >&4
  exec 4>&-
  echo "${line%$'\r'}"
}
