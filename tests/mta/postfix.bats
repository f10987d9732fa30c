# Pipes and ml-run in the alias file of a real Postfix, run as the owner of the alias map.

bats_require_minimum_version 1.5.0
load common
load postfix

setup_file() {
  export PORT SINK_PORT
  install_programs
  run_as_list ml-list create announce@lists.test --owner owner@example.org
  printf '%s\n' ann@example.org bob@example.com "o'b*1@example.net" '"a b"@example.org' \
    unknown-dan@example.org >"$T/people"
  run_as_list ml-store import announce@lists.test - <"$T/people"

  PORT=$(free_port)
  SINK_PORT=$(free_port)
  start_sink
  write_aliases
  postfix_up "$T/pf" "$PORT"
}

teardown_file() {
  postfix_down "$T/pf"
  stop_sink
  rm -rf "$T"
}

setup() { PATH="$P:$PATH"; mark "$T/pf"; }

# What `ml-list mta postfix --by alias` prints, to the letter, and below it pipes composed by hand,
# some of which go wrong.
write_aliases() {
  printf 'via = "smtp://127.0.0.1:%s"\nmax-wait = 1\n' "$SINK_PORT" >"$T/home/lists.toml"
  chown list "$T/home/lists.toml"
  install -d -o list "$T/pf"
  run_as_list ml-list mta postfix --by alias >"$T/pf/aliases"
  local env="cd /; export ML_HOME=$ML_HOME; P=$P;" post="announce@lists.test --post anyone"
  cat >>"$T/pf/aliases" <<A
composed: "|$env \$P/ml-receive announce@lists.test | \$P/ml-expand | \$P/ml-verp | \$P/ml-send"
sorted: "|$env \$P/ml-receive $post | \$P/ml-expand | \$P/ml-sort | \$P/ml-rcpts -- cat | \$P/ml-edit -- cat | \$P/ml-verp | \$P/ml-send"
killed: "|$env \$P/ml-receive $post | sh -c 'kill -9 \$\$' | \$P/ml-verp | \$P/ml-send"
killed-first: "|$env sh -c 'kill -9 \$\$' | \$P/ml-expand | \$P/ml-verp | \$P/ml-send"
killed-late: "|$env \$P/ml-receive $post | \$P/ml-expand | sh -c 'head -c 300; kill -9 \$\$' | \$P/ml-send"
no-such-list: "|$env \$P/ml-receive nobody@lists.test | \$P/ml-expand | \$P/ml-verp | \$P/ml-send"
A
  chown list "$T/pf/aliases"
}

deliverable() { grep -v '^unknown' "$T/people"; }
reaches_all() { local people; mapfile -t people < <(deliverable); reaches "${people[@]}"; }

@test "postfix: a post through an alias of ml-run reaches each subscriber once" {
  forget
  post ann@example.org announce@lists.test
  [[ "$(delivery "$T/pf" announce@lists.test)" == sent* ]]
  reaches_all
}

@test "postfix: a post through an alias of all the filters reaches each subscriber once" {
  forget
  post ann@example.org composed@lists.test
  [[ "$(delivery "$T/pf" composed@lists.test)" == sent* ]]
  reaches_all
}

@test "postfix: each copy has a signed sender of its own that decodes to its recipient" {
  while IFS=$'\t' read -r sender recipient _; do
    decoded=$(run_as_list ml-verp --decode "$sender" | cut -f1)
    echo "$decoded $recipient"
    [ "$decoded" = "$recipient" ]
  done <"$T/sink/log"
  [ "$(cut -f1 "$T/sink/log" | sort -u | wc -l)" -eq "$(wc -l <"$T/sink/log")" ]
}

@test "postfix: the copies carry the list's headers and none of the MTA's trace of delivery" {
  cat "$T"/sink/mail/*.eml >"$T/copies"
  grep -q '^List-Id: .*<announce.lists.test>' "$T/copies"
  ! grep -qiE '^(Delivered-To|X-Original-To|Return-Path):' "$T/copies"
}

@test "postfix: sort and ml-rcpts and ml-edit fit into the alias too" {
  forget
  post ann@example.org sorted@lists.test
  [[ "$(delivery "$T/pf" sorted@lists.test)" == sent* ]]
  reaches_all
}

@test "postfix: a stranger's post bounces with our text" {
  forget
  post stranger@example.com announce@lists.test
  [[ "$(delivery "$T/pf" announce@lists.test)" == bounced*"only subscribers may post"* ]]
  grep -q 'dsn=5.7.1, status=bounced' "$T/pf/log/mail.log"
  [ -z "$(recipients)" ]
}

@test "postfix: a list that is not there defers" {
  post ann@example.org no-such-list@lists.test
  [[ "$(delivery "$T/pf" no-such-list@lists.test)" == deferred*"no such list"* ]]
}

@test "postfix: a filter killed in mid-pipe defers wherever it stands" {
  for alias in killed killed-first killed-late; do
    forget
    mark "$T/pf"
    post ann@example.org $alias@lists.test
    [[ "$(delivery "$T/pf" $alias@lists.test)" == deferred* ]]
  done
}

@test "postfix: while the relay is down the post waits in a queue and then reaches everybody once" {
  stop_sink
  forget
  post ann@example.org composed@lists.test later
  [[ "$(delivery "$T/pf" composed@lists.test)" == sent* ]]
  is 1 "$(run_as_list ml-queue list outbound | wc -l)"
  start_sink
  run_as_list ml-queue retry outbound
  reaches_all
}

@test "postfix: a bounce to the signed address marks that subscriber and no other" {
  forget
  post ann@example.org announce@lists.test
  reaches_all
  sender=$(awk -F'\t' '$2 == "bob@example.com" {print $1; exit}' "$T/sink/log")
  sed "s|@SENDER@|$sender|" >"$T/bounce" <<'B'
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: @SENDER@
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

bob is no more.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; bob@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b--
B
  smtp-source -f '' -t "$sender" -F "$T/bounce" "127.0.0.1:$PORT"
  is_bouncing() { run_as_list ml-store show announce@lists.test bob@example.com | grep -q bouncing; }
  until_true 20 is_bouncing
  ! run_as_list ml-store show announce@lists.test ann@example.org | grep -q bouncing
}

@test "postfix: the sink saw no breach of the protocol" {
  stop_sink
  grep -q 'violations 0$' "$T/sink/out"
}
