# A real OpenSMTPD on loopback for tests, out of an unpacked package in a root of its own.
#
#   opensmtpd_up DIR TREE PORT SINK_PORT   reads DIR/matches, which goes into smtpd.conf, and
#                                          DIR/mlpipe-lists
#   server_up, server_down   the same in $T/opensmtpd with the whole domains of our lists, by $BY

opensmtpd_up() {
  local dir=$1 tree=$2 port=$3 sink_port=$4
  mkdir -p "$dir"
  chmod 755 "$dir"
  cat >"$dir/smtpd.conf" <<CF
listen on 127.0.0.1 port $port hostname mx.lists.test
$(cat "$dir/matches")
action "elsewhere" relay host smtp://127.0.0.1:$sink_port
match from any for any action "elsewhere"
CF
  tests/mta/in-root "$tree" "opensmtpd opensmtpq" /bin/bash -euc '
    mkdir -p /var/lib/opensmtpd/empty /var/empty /etc/mail
    chmod 711 /var/spool
    cp "$1/mlpipe-lists" /etc/mail/mlpipe-lists
    cp "$1/smtpd.conf" /etc/smtpd.conf
    chmod 644 /etc/mail/mlpipe-lists /etc/smtpd.conf
    exec /usr/sbin/smtpd -d -v -f /etc/smtpd.conf' opensmtpd "$dir" >"$dir/log" 2>&1 3>&- &
  echo $! >"$dir/pid"
  until_true 20 port_answers "$port" || { cat "$dir/log" >&2; return 1; }
}

server_up() {
  mkdir -p "$T/opensmtpd"
  run_as_list ml-list mta opensmtpd --by "${BY:-pipe}" >"$T/opensmtpd/matches"
  run_as_list ml-list mta opensmtpd --by "${BY:-pipe}" --map >"$T/opensmtpd/mlpipe-lists"
  opensmtpd_up "$T/opensmtpd" "$TREE" "$PORT" "$SINK_PORT"
}
server_down() { stop "$T/opensmtpd/pid"; }
