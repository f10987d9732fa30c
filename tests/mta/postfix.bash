# A real Postfix on loopback for tests: everything of it below one directory, started and stopped
# by its own master only. Needs root and the Debian package; touches nothing in /etc.
#
#   postfix_up DIR PORT      reads DIR/aliases (owned by the user who shall run the pipes)
#   postfix_down DIR
#   server_up, server_down   the same in $T/postfix with the whole domains of our lists, by $BY
#   mark DIR                 from here on delivery looks at what the log says later
#   delivery DIR ADDRESS [STATUS]   waits for a log line about ADDRESS (with this status), prints it

postfix_up() {
  local dir=$1 port=$2
  mkdir -p "$dir"/{etc,queue,data,log}
  chmod 755 "$dir" "$dir/etc" "$dir/queue"
  chown postfix "$dir/data"
  cat >"$dir/etc/main.cf" <<CF
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
maillog_file = $dir/log/mail.log
maillog_file_prefixes = $dir
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.lists.test
mydestination = lists.test
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps = hash:$dir/aliases
alias_database = hash:$dir/aliases
local_recipient_maps =
recipient_delimiter = +
default_transport = error:5.1.2 no route in a test
smtp_dns_support_level = disabled
biff = no
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
CF
  cat >"$dir/etc/master.cf" <<CF
127.0.0.1:$port inet n - n - - smtpd
pickup  unix n - n 5 1 pickup
cleanup unix n - n - 0 cleanup
qmgr    unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce  unix - - n - 0 bounce
defer   unix - - n - 0 bounce
trace   unix - - n - 0 bounce
verify  unix - - n - 1 verify
flush   unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp    unix - - n - - smtp
showq   unix n - n - - showq
error   unix - - n - - error
retry   unix - - n - - error
local   unix - n n - - local
anvil   unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
CF
  postalias -c "$dir/etc" "hash:$dir/aliases"
  postfix -c "$dir/etc" start >"$dir/log/start" 2>&1
  until_true 20 port_answers "$port" || { cat "$dir/log/start" "$dir/log/mail.log" >&2; return 1; }
}

postfix_down() {
  local pid
  pid=$(tr -d ' \n' 2>/dev/null <"$1/queue/pid/master.pid") || return 0
  postfix -c "$1/etc" stop >/dev/null 2>&1
  until_true 10 is_gone "$pid"
}

mark() { wc -l <"$1/log/mail.log" >"$1/log/mark"; }

log_says() { # DIR ADDRESS STATUS
  tail -n +"$(($(cat "$1/log/mark") + 1))" "$1/log/mail.log" |
    grep -E "(orig_)?to=<$2>.*status=$3" | head -n 1 | sed 's/.*status=//'
}
has_delivery() { [ -n "$(log_says "$@")" ]; }
delivery() {
  until_true 30 has_delivery "$1" "$2" "${3:-}" || { tail -n 20 "$1/log/mail.log" >&2; return 1; }
  log_says "$1" "$2" "${3:-}"
}

server_up() {
  export MAIL_CONFIG="$T/postfix/etc"
  mkdir -p "$T/postfix"
  : >"$T/postfix/aliases"
  postfix_up "$T/postfix" "$PORT"
  postconf -e "default_transport = smtp:[127.0.0.1]:$SINK_PORT" # the bounces of its own
  run_as_list ml-list mta postfix --by "${BY:-pipe}" | sh >"$T/postfix/log/told" 2>&1
}
server_down() { postfix_down "$T/postfix"; }
