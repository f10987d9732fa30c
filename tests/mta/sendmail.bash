# A real Sendmail on loopback for tests, out of unpacked packages in a root of its own.
#
#   sendmail_up DIR TREE PORT SINK_PORT   reads DIR/mc, which ends sendmail.mc, and DIR/mlpipe-lists
#   server_up, server_down   the same in $T/sendmail with the whole domains of our lists, by $BY

sendmail_up() {
  local dir=$1 tree=$2 port=$3 sink_port=$4
  mkdir -p "$dir/queue"
  chmod 755 "$dir"
  chmod 700 "$dir/queue"
  cat >"$dir/sendmail.mc" <<CF
include(\`/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(\`linux')
DOMAIN(\`generic')
define(\`ALIAS_FILE', \`/srv/mail/aliases')
define(\`QUEUE_DIR', \`/srv/mail/queue')
define(\`STATUS_FILE', \`/srv/mail/status')
define(\`confPID_FILE', \`/srv/mail/pidfile')
define(\`confSERVICE_SWITCH_FILE', \`/srv/mail/service.switch')
define(\`confDOMAIN_NAME', \`mx.lists.test')
define(\`confTO_IDENT', \`0')
define(\`confDONT_BLAME_SENDMAIL', \`RunProgramInUnsafeDirPath')
define(\`SMART_HOST', \`smtp:[127.0.0.1]')
define(\`SMTP_MAILER_ARGS', \`TCP \$h $sink_port')
FEATURE(\`no_default_msa')
FEATURE(\`accept_unresolvable_domains')
FEATURE(\`nocanonify')
DAEMON_OPTIONS(\`Family=inet, Name=MTA, Port=$port, Addr=127.0.0.1')
MAILER(\`local')
MAILER(\`smtp')
$(cat "$dir/mc")
CF
  printf 'hosts files\naliases files\n' >"$dir/service.switch"
  echo 'postmaster: root' >"$dir/aliases"
  # It trusts no file below a directory that anybody may write to, as /tmp is.
  tests/mta/in-root "$tree" "smmta smmsp" /bin/bash -euc '
    echo "127.0.0.1 mx.lists.test localhost $(uname -n).lists.test $(uname -n)" >/etc/hosts
    printf "hosts: files\npasswd: files\ngroup: files\n" >/etc/nsswitch.conf
    mkdir -p /etc/mail /srv/mail /run/sendmail
    mount --bind "$1" /srv/mail
    cd /srv/mail
    cp mlpipe-lists /etc/mail/mlpipe-lists
    touch /etc/mail/access /etc/mail/local-host-names
    m4 -D_CF_DIR_=/usr/share/sendmail/cf/ sendmail.mc >sendmail.cf
    /usr/libexec/sendmail/sendmail -C /srv/mail/sendmail.cf -bi
    exec /usr/libexec/sendmail/sendmail -C /srv/mail/sendmail.cf -bD -X /srv/mail/traffic -q1s
    ' sendmail "$dir" >"$dir/log" 2>&1 3>&- &
  echo $! >"$dir/pid"
  until_true 20 port_answers "$port" || { cat "$dir/log" >&2; return 1; }
}

# To m4 a # is text.
server_up() {
  mkdir -p "$T/sendmail"
  run_as_list ml-list mta sendmail --by "${BY:-pipe}" | grep -v '^#' >"$T/sendmail/mc"
  run_as_list ml-list mta sendmail --by "${BY:-pipe}" --map >"$T/sendmail/mlpipe-lists"
  sendmail_up "$T/sendmail" "$TREE" "$PORT" "$SINK_PORT"
}
server_down() { stop "$T/sendmail/pid"; }
