# What a mail server that has whole domains of lists must do, told by one function for each test.
# A server's own file says how it is started: server_up, server_down; $BY says how the mail comes in.

domains_setup_file() {
  install_programs
  make_lists
  export PORT SINK_PORT
  PORT=$(free_port)
  SINK_PORT=$(free_port)
  start_sink
  printf 'via = "smtp://127.0.0.1:%s"\n' "$SINK_PORT" >"$T/home/lists.toml"
  chown list "$T/home/lists.toml"
}

# The same for a server out of unpacked packages, in $TREE.
unpacked_setup_file() {
  export TREE
  TREE=$(tests/mta/tree "$1" 2>&1) || skip "no $1 here: $TREE"
  domains_setup_file
}

domains_teardown_file() {
  [ -n "${T:-}" ] || return 0
  server_down
  stop "$T/lmtpd.pid"
  stop_sink
  rm -rf "$T"
}

# start_lmtpd WHERE: ml-lmtpd as the owner of the home.
start_lmtpd() {
  setpriv --reuid=list --regid=list --clear-groups ml-lmtpd --listen "$1" >"$T/lmtpd.log" 2>&1 3>&- &
  echo $! >"$T/lmtpd.pid"
}
# take_lmtp: mail comes in through its socket.
take_lmtp() {
  export BY="lmtp:$T/run/lmtp"
  install -d -o list -g list "$T/run"
  start_lmtpd "unix:$T/run/lmtp"
  until_true 10 [ -S "$T/run/lmtp" ]
}

domains_setup() {
  PATH="$P:$PATH"
  forget
}

subscribers_of() { echo ann@example.org "to-${1/@/-at-}@example.net"; }

each_post_reaches_its_own_list() {
  local list
  for list in "${lists[@]}"; do
    forget
    post ann@example.org "$list"
    reaches $(subscribers_of "$list")
  done
}

extensions_belong_to_the_list() {
  post ann@example.org dev-announce+some.thing@a.test
  reaches $(subscribers_of dev-announce@a.test)
}

roles_go_to_the_owner() {
  post stranger@example.com dev-announce-request@a.test
  reaches owner-of-dev-announce@a.test.example
}

other_addresses_are_refused() {
  local address
  for address in nobody@a.test announce@c.test dev-announce-frob@a.test owner@a.test; do
    is "550 $address" "$(reply_to_rcpt "$address" | cut -c1-3) $address"
  done
  for address in announce@a.test Announce@A.test announce-owner@b.test dev-announce-bounces+x=Y@a.test; do
    is "250 $address" "$(reply_to_rcpt "$address" | cut -c1-3) $address"
  done
}

strangers_hear_why() {
  post stranger@example.com announce@a.test
  until_true 20 has_reached stranger@example.com
  grep -q 'only subscribers may post' "$T"/sink/mail/*
}

# The first signed sender that RECIPIENT of LIST was mailed from.
sender_for() { awk -F'\t' -v to="$1" -v list="$2" '$2 == to && index($1, list) == 1 {print $1; exit}' "$T/sink/log"; }
is_bouncing() { run_as_list ml-store show "$1" "$2" | grep -q bouncing; }

a_bounce_marks_its_subscriber() {
  local to=to-dev-announce-at-a.test@example.net sender
  post ann@example.org dev-announce@a.test
  reaches $(subscribers_of dev-announce@a.test)
  sender=$(sender_for "$to" dev-announce-bounces+)
  sed "s|@SENDER@|$sender|; s|@TO@|$to|" >"$T/bounce" <<'B'
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: @SENDER@
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce@mx.example.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

No more.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; @TO@
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b--
B
  smtp-source -f '' -t "$sender" -F "$T/bounce" "127.0.0.1:$PORT"
  until_true 20 is_bouncing dev-announce@a.test "$to"
  ! is_bouncing dev-announce@a.test ann@example.org
}

hyphens_may_begin_extensions() {
  echo 'delimiter = "-"' >>"$T/home/lists.toml"
  server_down
  server_up
  is 250 "$(reply_to_rcpt dev-announce-some.thing@a.test | cut -c1-3)"
  is 250 "$(reply_to_rcpt dev-announce-bounces+x=Y@a.test | cut -c1-3)"
  is 550 "$(reply_to_rcpt nobody@a.test | cut -c1-3)"
  post ann@example.org dev-announce-some.thing@a.test
  reaches $(subscribers_of dev-announce@a.test)
}
