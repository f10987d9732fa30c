# A real Exim on loopback for tests, out of unpacked packages in a root of its own.
#
#   exim_up DIR TREE PORT SINK_PORT   reads DIR/main, DIR/routers and DIR/transports, which go into
#                                     those sections, and DIR/mlpipe-lists
#   server_up, server_down   the same in $T/exim with the whole domains of our lists, by $BY

exim_up() {
  local dir=$1 tree=$2 port=$3 sink_port=$4
  mkdir -p "$dir"/{spool,log}
  chmod 755 "$dir"
  cat >"$dir/exim.conf" <<CF
spool_directory = $dir/spool
log_file_path = $dir/log/%slog
pid_file_path = $dir/exim.pid
primary_hostname = mx.lists.test
daemon_smtp_ports = $port
local_interfaces = 127.0.0.1
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept
$(cat "$dir/main")
begin acl
check_rcpt:
  require verify = recipient
  accept hosts = 127.0.0.1
begin routers
$(cat "$dir/routers")
elsewhere:
  driver = manualroute
  domains = ! +mlpipe_domains
  route_list = * 127.0.0.1
  transport = to_sink
  self = send
begin transports
$(cat "$dir/transports")
to_sink:
  driver = smtp
  port = $sink_port
  hosts_override
begin retry
* * F,1h,1s
CF
  # Given -C it would give up being root, so the file goes to the place that is compiled in.
  tests/mta/in-root "$tree" Debian-exim /bin/bash -euc '
    chown -R Debian-exim "$1/spool" "$1/log"
    mkdir -p /etc/exim4
    cp "$1/mlpipe-lists" /etc/exim4/mlpipe-lists
    cp "$1/exim.conf" /etc/exim4/exim4.conf
    exec /usr/sbin/exim4 -bdf -q1s' exim "$dir" >"$dir/log/start" 2>&1 3>&- &
  echo $! >"$dir/pid"
  until_true 20 port_answers "$port" || { cat "$dir"/log/* >&2; return 1; }
}

# The three pieces go where their comments say.
server_up() {
  mkdir -p "$T/exim"
  run_as_list ml-list mta exim --by "${BY:-pipe}" >"$T/exim/all"
  run_as_list ml-list mta exim --by "${BY:-pipe}" --map >"$T/exim/mlpipe-lists"
  sed -n '/^domainlist/p' "$T/exim/all" >"$T/exim/main"
  sed -n '/^# Before all/,/^# Among/p' "$T/exim/all" >"$T/exim/routers"
  sed -n '/^# Among/,$p' "$T/exim/all" >"$T/exim/transports"
  exim_up "$T/exim" "$TREE" "$PORT" "$SINK_PORT"
}
server_down() { stop "$T/exim/pid"; }
