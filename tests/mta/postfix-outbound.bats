# The second instance of Postfix for what lists send, made by what `ml-list mta postfix --outbound`
# prints. In a root of its own, since it is made beside the first in /etc.

bats_require_minimum_version 1.5.0
load common

setup_file() {
  install_programs
  run_as_list ml-list create announce@a.test
  export PORT OUT_PORT SINK_PORT
  PORT=$(free_port)
  OUT_PORT=$(free_port)
  SINK_PORT=$(free_port)
  start_sink
  mkdir -p "$T/empty/usr"
  # Other ports than 25 and 10025: they are this machine's.
  run_as_list ml-list mta postfix --outbound |
    sed "s/10025/$OUT_PORT/g; s/\]:25/]:$PORT/g" >"$T/outbound"
  export T
}
teardown_file() {
  stop_sink
  rm -rf "$T"
}
setup() { PATH="$P:$PATH"; }

# The first instance puts an end to all that it is to scan.
@test "postfix outbound: copies go out unscanned and what comes back goes to the first instance" {
  run timeout 50 tests/mta/in-root "$T/empty" "" /bin/bash -euc '
    tmp=$1 port=$2 out_port=$3 sink_port=$4
    mkdir -p /var/spool/postfix /var/lib/postfix /var/log
    chown postfix /var/lib/postfix
    : >/etc/postfix/main.cf
    cp /etc/postfix/master.cf.proto /etc/postfix/master.cf
    postconf -e compatibility_level=3.6 maillog_file=/var/log/mail.log myhostname=mx.lists.test \
      inet_protocols=ipv4 inet_interfaces=127.0.0.1 "mynetworks=127.0.0.0/8" mydestination= \
      "relayhost=[127.0.0.1]:$sink_port" "content_filter=error:5.7.1 scanned" \
      smtp_helo_name=helo.lists.test "smtp_tls_policy_maps=inline:{a.example=encrypt}" \
      "smtp_sasl_password_maps=inline:{a.example=u:p}" smtp_sasl_security_options=noanonymous \
      "smtpd_milters=inet:127.0.0.1:1, inet:127.0.0.1:8891, unix:sign/socket" \
      milter_default_action=accept
    mkdir /var/spool/postfix/sign
    python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\"/var/spool/postfix/sign/socket\")"
    postconf -MX smtp/inet
    postconf -M "127.0.0.1:$port/inet=127.0.0.1:$port inet n - n - - smtpd" \
      "postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd"
    postfix start
    trap "postmulti -p stop" EXIT
    sh "$tmp/outbound" 2>"$tmp/said"
    postconf -c /etc/postfix-mlpipe -n >"$tmp/first"
    postconf -X smtp_sasl_security_options
    sh "$tmp/outbound"
    postconf -c /etc/postfix-mlpipe -n >"$tmp/second"
    sh -c "$(grep ^postconf "$tmp/said")"
    sh "$tmp/outbound"
    postconf -c /etc/postfix-mlpipe -h smtpd_milters receive_override_options >"$tmp/signed"
    for i in $(seq 200); do
      (exec 3<>"/dev/tcp/127.0.0.1/$out_port") 2>/dev/null && break
      sleep 0.05 # polls
    done
    smtp-source -m 3 -f announce-bounces+x@a.test -t bob@example.net "127.0.0.1:$out_port"
    smtp-source -f ann@example.org -t announce@a.test "127.0.0.1:$out_port"
    for i in $(seq 400); do
      [ "$(wc -l <"$tmp/sink/log")" -lt 4 ] || break
      sleep 0.05 # polls
    done
    cat /var/log/mail.log' outbound "$T" "$PORT" "$OUT_PORT" "$SINK_PORT"
  echo "$output"
  [ "$status" -ne 75 ] || skip "this kernel gives us no root of our own"
  is 0 "$status"
  is "ann@example.org bob@example.net bob@example.net bob@example.net" "$(recipients)"
  grep -q scanned "$T"/sink/mail/*
  for line in "smtp_helo_name = helo.lists.test" "smtp_tls_policy_maps = inline:{a.example=encrypt}" \
    "smtp_sasl_password_maps = inline:{a.example=u:p}" "message_size_limit = 0" \
    "smtpd_milters = inet:127.0.0.1:8891" "milter_default_action = accept"; do
    grep -qxF "$line" "$T/first" || { cat "$T/first" && false; }
  done
  # The command for those left out keeps the others, and finds the socket from where it is run.
  is "inet:127.0.0.1:1 is left out here" "$(sed 1q "$T/said")"
  is "inet:127.0.0.1:1 inet:127.0.0.1:8891 unix:/var/spool/postfix/sign/socket" \
    "$(sed 1q "$T/signed")"
  is "no_unknown_recipient_checks, no_header_body_checks" "$(sed -n 2p "$T/signed")"
  # Run again it goes on, and what the first instance no longer says goes.
  is "smtp_sasl_security_options = noanonymous" "$(diff "$T/first" "$T/second" | sed -n 's/^[<>] //p')"
}
