bats_require_minimum_version 1.5.0
load common

tsv() { printf '%s\t' "$@" | sed 's/\t$//'; }

@test "ml-list: create makes a home with keys and settings and the list" {
  run ml-list create News@X.org --owner ann@example.org
  is 0 "$status"
  is "" "$output"
  is news@x.org "$(ml-list show | cut -f1)"
  is ann@example.org "$(ml-list show | cut -f4)"
  is 640 "$(stat -c %a "$ML_HOME/lists/x.org/news.toml")"
  is 700 "$(stat -c %a "$ML_HOME")"
  [ -f "$ML_HOME/keys/a" ]
}

@test "ml-list: a list is created once" {
  ml-list create news@x.org
  cp "$ML_HOME/lists/x.org/news.toml" before
  run ml-list create news@x.org --owner ann@example.org
  is 1 "$status"
  cmp before "$ML_HOME/lists/x.org/news.toml"
}

@test "ml-list: every commented line of new settings shows the default" {
  ml-list create news@x.org
  file="$ML_HOME/lists/x.org/news.toml"
  before=$(ml-list show news@x.org)
  sed -i -E 's/^# ([a-z-]+ = )/\1/' "$file"
  grep -q '^post = ' "$file"
  is "$before" "$(ml-list show news@x.org)"
  run ml-list check news@x.org
  [[ "$output" != *"nothing reads"* ]]
}

@test "ml-list: a name that is none and an owner that is none are refused and nothing is made" {
  for name in news news-owner@x.org ../x@x.org 'a b@x.org' news@; do
    run ml-list create "$name"
    is "$name 75" "$name $status"
  done
  run ml-list create news@x.org --owner nobody
  is 1 "$status"
  for owner in news@x.org news-owner@x.org NEWS+x@X.org; do
    run --separate-stderr ml-list create news@x.org --owner $owner
    is 1 "$status"
    [[ "$stderr" == *"come back to the list"* ]]
  done
  is "" "$(ml-list show 2>log || true)"
}

@test "ml-list: create that is killed at any step is completed by the same command" {
  local call n kills=0
  for call in fsync linkat fdatasync; do
    for n in {1..20}; do
      rm -rf "$ML_HOME"
      status=0
      strace -f -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
        ml-list create news@x.org --owner ann@example.org 2>log || status=$?
      [ "$status" -ne 0 ] || break # this call was not made that often
      kills=$((kills + 1))
      ml-list show >/dev/null 2>&1 || true # whatever stands there is no trap for others
      ml-list create news@x.org || [ "$(ml-list show | cut -f1)" = news@x.org ]
      is "$call $n: news@x.org ann@example.org" "$call $n: $(ml-list show | cut -f1,4 | tr '\t' ' ' |
        sed 's/postmaster@x.org/ann@example.org/')"
      is "" "$(find "$ML_HOME/lists" -name '*.toml' -size 0)"
    done
  done
  [ "$kills" -ge 5 ]
}

@test "ml-list: settings that a killed create left behind are kept" {
  mkdir -p "$ML_HOME/lists/x.org"
  chmod 700 "$ML_HOME"
  echo 'owner = "cy@example.net"' >"$ML_HOME/lists/x.org/news.toml"
  run --separate-stderr ml-list create news@x.org --owner ann@example.org
  is 1 "$status"
  [[ "$stderr" == *"news.toml is there already"* ]]
  ml-list create news@x.org
  is cy@example.net "$(ml-list show | cut -f4)"
}

@test "ml-list: show tells of all lists or of one" {
  ml-list create b@x.org
  ml-list create a@x.org
  is "a@x.org b@x.org" "$(ml-list show | cut -f1 | paste -sd' ')"
  is "list due all owner post else settings" "$(ml-list show a@x.org | cut -f1 | paste -sd' ')"
  run ml-list show c@x.org
  is 75 "$status"
}

@test "ml-list: show speaks JSON" {
  ml-list create b@x.org
  ml-list create a@x.org
  ml-list show --json | python3 -c 'import json, sys
lists = json.load(sys.stdin)
assert [one["list"] for one in lists] == ["a@x.org", "b@x.org"]
assert lists[0]["due"] == 0 and lists[0]["owner"] == ["postmaster@x.org"]'
  ml-list show a@x.org --json | python3 -c 'import json, sys; assert json.load(sys.stdin)["post"] == "subscribers"'
}

@test "ml-list: remove asks first and then takes list and settings" {
  ml-list create news@x.org
  run --separate-stderr ml-list remove news@x.org
  is 1 "$status"
  [[ "$stderr" == *"0 subscribers"*"--yes"* ]]
  ml-list remove news@x.org --yes
  is "" "$(ml-list show)"
  [ ! -e "$ML_HOME/lists/x.org/news.toml" ]
  run ml-list remove news@x.org --yes
  is 75 "$status"
}

@test "ml-list: route says list and role and extension" {
  ml-list create announce@x.org
  ml-list create dev-announce@x.org
  is "$(tsv announce@x.org post '')" "$(ml-list route announce@x.org)"
  is "$(tsv announce@x.org bounces kab-Ann=x.org)" "$(ml-list route announce-bounces+kab-Ann=x.org@X.ORG)"
  is "$(tsv dev-announce@x.org owner '')" "$(ml-list route Dev-Announce-Owner@x.org)"
  is "$(tsv announce@x.org subscribe '')" "$(ml-list route announce-join@x.org)"
}

@test "ml-list: route of what belongs to no list is 1" {
  ml-list create announce@x.org
  for address in other@x.org announce@y.org announce-x@x.org announce bounces+abcdefk@x.org \
    @x.org "" $'announce+a\tb@x.org'; do
    run --separate-stderr ml-list route "$address"
    is "$address 1" "$address $status"
    is "" "$output"
  done
}

@test "ml-list: with a hyphen as delimiter the longest name that is a list wins" {
  ml-list create dev@x.org
  ml-list create dev-announce@x.org
  echo 'delimiter = "-"' >"$ML_HOME/lists.toml"
  is "$(tsv dev-announce@x.org bounces x)" "$(ml-list route dev-announce-bounces-x@x.org)"
  is "$(tsv dev@x.org post other)" "$(ml-list route dev-other@x.org)"
  echo 'delimiter = "/"' >"$ML_HOME/lists.toml"
  run ml-list route dev@x.org
  is 75 "$status"
}

@test "ml-list: mta gives each domain one entry and each server a map of the addresses" {
  for list in a@x.org b-c@x.org a@y.org; do ml-list create $list; done
  bin=$(dirname "$(readlink -f "$(command -v ml-list)")")
  home=$(readlink -f "$ML_HOME")
  ml-list mta postfix >out
  is "x.org mlpipe: y.org mlpipe:" "$(grep ' mlpipe:$' out | paste -sd' ')"
  grep -qF "user=$(id -un) null_sender= directory=/ argv=$bin/ml-run --home $home -f \\\${sender} -- \\\${recipient}" out
  sh -n out
  ml-list mta postfix --map >map
  is 3 "$(wc -l <map)"
  sed 's,^/\(.*\)/ ok$,\1,' map >patterns
  for address in a@x.org b-c-owner@x.org a-bounces+k=Y@y.org; do
    grep -qEf patterns <<<$address
  done
  for address in b@x.org b-c@y.org a-frob@x.org axorg@x.org a@xxorg; do
    is "" "$(grep -Ef patterns <<<$address || true)"
  done
  is "domainlist mlpipe_domains = x.org : y.org" "$(ml-list mta exim | grep ^domainlist)"
  is 3 "$(ml-list mta exim --map | wc -l)"
  ml-list mta opensmtpd | grep -q '^match from any for rcpt-to regex <mlpipe-lists> action "mlpipe"$'
  ml-list mta sendmail --map | grep -qx 'b-c-owner@x.org OK'
  ml-list mta qmail | grep -qx "|$bin/ml-run --home $home -f \"\$SENDER\" -- \"\$EXT@\$HOST\""
  ml-list mta postfix --outbound | sh -n
}

@test "ml-list: mta takes a domain or a list for its domain or all" {
  for list in a@x.org b@x.org c@y.org; do ml-list create $list; done
  is 2 "$(ml-list mta postfix --map x.org | wc -l)"
  is 2 "$(ml-list mta postfix --map a@x.org | wc -l)"
  is 3 "$(ml-list mta postfix --map | wc -l)"
  run ml-list mta postfix z.org
  is 1 "$status"
  run ml-list mta postfix z@x.org
  is 75 "$status"
}

@test "ml-list: mta knows ways and places and what a server cannot do" {
  ml-list create a@x.org
  ml-list mta postfix --by lmtp | grep -qx 'x.org mlpipe-lmtp:unix:/run/mlpipe/lmtp'
  ml-list mta postfix --by lmtp:127.0.0.1:24 | grep -qx 'x.org mlpipe-lmtp:inet:127.0.0.1:24'
  ml-list mta exim --by lmtp:/srv/lmtp | grep -qx '  socket = /srv/lmtp'
  ml-list mta opensmtpd --by lmtp:/srv/lmtp | grep -q 'lmtp "/srv/lmtp" rcpt-to'
  ml-list mta postfix --by maildir:/srv/in | grep -q 'virtual_mailbox_base=/srv/ -o virtual_mailbox_maps=static:in/ '
  for line in "frob" "exim --by maildir" "sendmail --by lmtp" "exim --outbound" "qmail --map" \
    "postfix --by frob" "postfix --by pipe:x" "postfix --map --outbound" "exim --by alias" \
    "postfix --outbound x.org"; do
    run ml-list mta $line
    is "$line 64" "$line $status"
  done
  run ml-list mta postfix --by 'lmtp:/a b'
  is 75 "$status"
}

@test "ml-list: mta with a hyphen as delimiter takes what begins like a list" {
  ml-list create a@x.org
  echo 'delimiter = "-"' >"$ML_HOME/lists.toml"
  is '/^a(-.*)?@x\.org$/ ok' "$(ml-list mta postfix --map)"
}

@test "ml-list: mta postfix by alias has a line a role with whole paths" {
  ml-list create announce@x.org --owner ann@example.org
  ml-list mta postfix --by alias announce@x.org >out
  run="$(dirname "$(readlink -f "$(command -v ml-list)")")/ml-run --home $(readlink -f "$ML_HOME") announce@x.org"
  grep -qxF "announce: \"|$run\"" out
  grep -qxF "announce-bounces: \"|$run bounces\"" out
  grep -qxF "announce-unsubscribe: \"|$run unsubscribe\"" out
  grep -qxF 'announce-owner: ann@example.org' out
  run grep -c '^owner-' out
  is 0 "$output"
}

@test "ml-list: mta postfix by alias leaves the list itself out of its owners" {
  ml-list create news@x.org --owner ann@example.org
  echo 'owner = ["news@x.org", "NEWS-owner@x.org", "ann@example.org"]' >"$ML_HOME/lists/x.org/news.toml"
  ml-list mta postfix --by alias | grep -qxF 'news-owner: ann@example.org'
  echo 'owner = "news@x.org"' >"$ML_HOME/lists/x.org/news.toml"
  run ml-list mta postfix --by alias
  is 75 "$status"
  [[ "$output" == *"nobody else owns news@x.org: set owner in lists/x.org/news.toml"* ]]
  ml-list mta postfix --map | grep -q '^/^news'
}

@test "ml-list: mta postfix by alias refuses two lists that would be one alias" {
  ml-list create news@x.org
  ml-list create news@y.org
  run ml-list mta postfix --by alias
  is 1 "$status"
  [[ "$output" == *"news@x.org and news@y.org"* ]]
  ml-list mta postfix --by alias y.org | grep -q 'ml-run .* news@y.org"'
}

@test "ml-list: mta gives lists with long names their own bounce address" {
  ml-list create abcdefghijklmnopqrstuvw@x.org
  ml-list mta postfix --by alias | grep -q '^bounces: "|.*/ml-run'
  ml-list mta postfix --map | grep -qxF '/^bounces[+].*@x\.org$/ ok'
}

@test "ml-list: mta refuses a home whose name would need quotes" {
  export ML_HOME="$PWD/a home"
  ml-list create news@x.org
  run ml-list mta postfix
  is 75 "$status"
}

@test "ml-list: check finds what it can and is 1 if anything must be mended" {
  ml-list create news@x.org --owner ann@example.org
  ml-list check news@x.org >out || true
  is "" "$(cut -f1 out | grep -vxE 'ok|no|\?' || true)"
  grep -q "^ok"$'\t'"news@x.org owner"$'\t'"ann@example.org" out
  printf 'pots = "anyone"\nowner = "news-owner@x.org"\n' >"$ML_HOME/lists/x.org/news.toml"
  chmod 755 "$ML_HOME"
  run --separate-stderr ml-list check
  is 1 "$status"
  [[ "$output" == *"pots: nothing reads this key"* ]]
  [[ "$output" == *"come round again"* ]]
  [[ "$output" == *"chmod 0700"* ]]
}

@test "ml-list: a home of root is told and the script for Postfix stops before it does anything" {
  [ "$(id -u)" -eq 0 ] || skip "only root has one"
  ml-list create news@x.org
  run ml-list check
  is 1 "$status"
  [[ "$output" == *$'no\thome\t'"$ML_HOME belongs to root"*"chown -R mlpipe: $ML_HOME"* ]]
  for by in pipe maildir alias lmtp; do
    ml-list mta postfix --by $by >script 2>said
    is "$by $([ $by = lmtp ] && echo 0 || echo 1)" "$by $(grep -c 'belongs to root' said)"
  done
  run sh -c 'ml-list mta postfix 2>said | PATH=/nowhere /bin/sh'
  is 1 "$status"
  [[ "$output" == *"belongs to root"* ]]
}

@test "ml-list: an owner in a domain of lists who is no list's is told by create and by check" {
  export MAIL_CONFIG="$PWD/no-postfix"
  run ml-list create news@x.org
  is 0 "$status"
  [[ "$output" == *"the owner of news@x.org is postmaster@x.org, in a domain of lists"*"set owner in "*/news.toml ]]
  run ml-list check news@x.org
  [[ "$output" == *$'?\tnews@x.org owner\tpostmaster@x.org is in a domain of lists'* ]]
  ml-list create postmaster@x.org --owner ann@example.org
  for owner in postmaster@x.org Postmaster-owner@X.org ann@example.org; do
    echo "owner = '$owner'" >"$ML_HOME/lists/x.org/news.toml"
    run ml-list check news@x.org
    [[ "$output" == *$'ok\tnews@x.org owner\t'$owner* ]]
  done
  run ml-list create more@x.org
  is "" "$output"
}

@test "ml-list: create makes the list whatever slip is in the settings of the site" {
  ml-list create first@x.org --owner ann@example.org
  echo 'delimiter = "x"' >"$ML_HOME/lists.toml"
  run ml-list create news@x.org
  is 0 "$status"
}

@test "ml-list: the script for Postfix stops where a domain of lists stands in mydestination" {
  [ -x /usr/sbin/postconf ] || skip "no Postfix here"
  export MAIL_CONFIG="$PWD/postfix" PATH="$PATH:/usr/sbin"
  mkdir postfix
  : >postfix/master.cf
  echo x.org >file
  ml-list create news@x.org --owner ann@example.org
  for place in 'X.org' '$mydomain, localhost' "$PWD/file" 'inline:{x.org=1}'; do
    printf '%s\n' 'compatibility_level = 3.6' 'mydomain = x.org' "mydestination = y.org, $place" >postfix/main.cf
    cp postfix/main.cf before
    run sh -c 'ml-list mta postfix --by lmtp | sh'
    is "$place 1" "$place $status"
    [[ "$output" == *"x.org stands in mydestination"* ]]
    cmp before postfix/main.cf
    is "" "$(ls postfix | grep mlpipe || true)"
  done
}

@test "ml-list: the lines for qmail are added once however often they run" {
  for list in news@x.org news@y.org; do ml-list create $list --owner ann@example.org; done
  ml-list mta qmail 2>log | sed -n "s,/var/qmail/control,$PWD,; /^add/p" >script
  for i in 1 2; do sh script; done
  is "x.org y.org" "$(paste -sd' ' rcpthosts)"
  is "x.org:$(id -un) y.org:$(id -un)" "$(paste -sd' ' virtualdomains)"
}

@test "ml-list: check finds a file-size limit" {
  ml-list create news@x.org
  run bash -c 'ulimit -f 50000; ml-list check news@x.org'
  is 1 "$status"
  [[ "$output" == *"limited to"* ]]
}

@test "ml-list: check finds settings that cannot be read" {
  ml-list create news@x.org
  echo 'post = 5' >"$ML_HOME/lists/x.org/news.toml"
  run ml-list check news@x.org
  is 1 "$status"
  [[ "$output" == *"line 1: post must be"* ]]
}

@test "ml-list: check finds rules for posts that ml-receive could not use" {
  ml-list create news@x.org
  for setting in 'post = "no-such-file"' 'else = "burn"' 'archive = "nowhere"' 'max-size = "1G"'; do
    echo "$setting" >"$ML_HOME/lists/x.org/news.toml"
    run ml-list check news@x.org
    is "$setting 1" "$setting $status"
    [[ "$output" == *$'no\tnews@x.org posts\t'* ]]
  done
}

@test "ml-list: check finds pipelines that would deliver nothing and settings that nothing reads there" {
  ml-list create news@x.org
  while IFS='#' read -r setting found; do
    echo "$setting" >"$ML_HOME/lists/x.org/news.toml"
    run ml-list check news@x.org
    is "$setting 1" "$setting $status"
    grep -q "^no"$'\t'".*$found" <<<"$output" || { echo "$setting: $output"; false; }
  done <<'S'
pipeline.post = []#pipeline.post has no stage
pipeline.post = ["ml-receive"]#nothing delivers
pipeline.post = ["ml-receive", "ml-expand", "ml-verp"]#'ml-verp' at its end delivers nothing
pipeline.post = ["ml-receive", "nosuchcmd", "ml-send"]#there is no program nosuchcmd
pipeline.owner = ["ml-receive", "ml-expand", "ml-send"]#pipeline.owner: 'ml-expand' there is for no subscribers
pipeline.request = ["ml-receive", "nice ml-expand --tag=a --state active", "ml-send"]#pipeline.request: 'nice ml-expand --tag=a --state active' there is for no subscribers
pipeline.pots = ["ml-receive", "ml-send"]#pipeline.pots: nothing reads this key there
via = "null:"#via: nothing reads this key there
log = "syslog"#log: nothing reads this key there
bounce-probe-text = "nofile"#bounce-probe-text.*nofile
S
  ml-list create lists@x.org
  echo 'via = "null:"' >"$ML_HOME/lists/x.org/lists.toml"
  run ml-list check lists@x.org
  [[ "$output" == *$'no\tlists@x.org settings\t'*'via: nothing reads this key there'* ]]
  printf 'pipeline.post = ["ml-receive", "ml-expand | ml-verp", "nice ml-send"]\n' >"$ML_HOME/lists/x.org/news.toml"
  run ml-list check news@x.org
  [[ "$output" != *pipeline* ]]
  for stage in "--tag staff news@x.org" "--merge news" "--to=/etc/owners" "--bad skip --to owners"; do
    echo "pipeline.request = ['ml-receive', 'ml-expand $stage', 'ml-send']" >"$ML_HOME/lists/x.org/news.toml"
    run ml-list check news@x.org
    [[ "$output" != *pipeline* ]] || { echo "$stage: $output"; false; }
  done
}

# Settings that cannot be read, or no list at all, say nothing of how its mail comes in.
@test "ml-list: check says that Postfix has whole domains only where it looked at one" {
  [ -x /usr/sbin/postconf ] || skip "no Postfix here"
  export MAIL_CONFIG="$PWD/postfix"
  mkdir postfix
  : >postfix/master.cf
  printf '%s\n' 'compatibility_level = 3.6' 'recipient_delimiter =' 'mailbox_size_limit = 1000' 'alias_maps =' >postfix/main.cf
  ml-list create news@x.org
  for setting in '' 'post = 5'; do
    echo "$setting" >"$ML_HOME/lists/x.org/news.toml"
    run ml-list check news@x.org
    [[ "$output" != *"whole domains"* ]]
    [[ "$output" == *"postconf -e recipient_delimiter=+"* ]]
    [[ "$output" == *$'no\tpostfix\tmailbox_size_limit = 1000'* ]]
  done
  printf '%s\n' 'transport_maps = inline:{x.org=mlpipe:}' 'virtual_mailbox_maps = inline:{news@x.org=ok}' >>postfix/main.cf
  run ml-list check news@x.org
  [[ "$output" == *$'ok\tpostfix\tit has whole domains'* ]]
  ml-list remove news@x.org --yes
  run ml-list check
  [[ "$output" != *"whole domains"* ]]
  [[ "$output" == *"postconf -e recipient_delimiter=+"* ]]
}

@test "ml-list: check finds a relay on this machine that nobody listens on" {
  ml-list create news@x.org
  echo "via = ['lmtp:$PWD/nobody', 'smtp://127.0.0.1:1', 'smtp://relay.example.org', 'null:']" >"$ML_HOME/lists.toml"
  run ml-list check
  is 1 "$status"
  is "no no ok ok" "$(grep -P '\trelay ' <<<"$output" | cut -f1 | paste -sd' ')"
  echo "via = 'smpt://x'" >"$ML_HOME/lists.toml"
  ml-list check | grep -q $'^no\trelay smpt://x\t'
}

@test "ml-list: check asks for the default relay only where a pipeline uses it" {
  ml-list create news@x.org
  printf 'pipeline.%s = ["ml-send --via null:"]\n' bounces outbound >"$ML_HOME/lists.toml"
  echo 'pipeline.post = ["ml-receive", "ml-expand", "nice ml-send --via null:"]' >>"$ML_HOME/lists.toml"
  run ml-list check
  [[ "$output" != *$'\trelay '* ]]
  echo 'pipeline.owner = ["ml-send"]' >"$ML_HOME/lists/x.org/news.toml"
  run ml-list check
  [[ "$output" == *$'\trelay smtp://localhost:25\t'* ]]
}

@test "ml-list: options before the verb are refused with the line that would do" {
  for program in ml-list ml-store; do
    run $program --home "$ML_HOME" remove news@x.org
    is 64 "$status"
    is "$program: the verb comes first: $program remove --home $ML_HOME news@x.org" "$output"
  done
  run ml-queue --home="$ML_HOME" list
  is 75 "$status"
  is "ml-queue: the verb comes first: ml-queue list --home=$ML_HOME" "$output"
  run ml-queue --home run list
  is "ml-queue: the verb comes first: ml-queue list --home run" "$output"
  run ml-queue --pause run list
  is "ml-queue: the verb comes first: ml-queue --help" "$output"
  run ml-list --home "/srv/my lists" show --json
  is "ml-list: the verb comes first: ml-list show --home '/srv/my lists' --json" "$output"
  run ml-list --home "$ML_HOME"
  is 64 "$status"
  is "ml-list: the verb comes first: ml-list --help" "$output"
}

@test "ml-list: a command line that makes no sense is 64" {
  for arguments in "" frob "create" "create a@x.org b@x.org" "show --frob" "route" "mta" "remove"; do
    run ml-list $arguments
    is "$arguments 64" "$arguments $status"
  done
  run ml-list create '|' ml-expand
  is 75 "$status"
}

@test "ml-list: help of each command fits a screen" {
  for command in "" create show remove check route mta; do
    run ml-list $command --help
    is 0 "$status"
    [ "${#lines[@]}" -le 24 ]
  done
}

@test "ml-list: check of a list that is not there is 75 as everywhere" {
  ml-list create news@x.org
  run ml-list check nope@x.org
  is 75 "$status"
  [[ "$output" == *"no such list (make it with: ml-list create nope@x.org)"* ]]
}

@test "ml-list: mta for a part of the lists never says to overwrite a file that all are in" {
  for list in a@x.org b@y.org; do ml-list create $list; done
  for server in exim opensmtpd sendmail postfix; do
    ml-list mta $server x.org >out
    is "$server: 1" "$server: $(grep -c -- '--map >' out)"
    is "$server: 0" "$server: $(grep -c -- 'x.org --map >' out)"
  done
  ml-list mta postfix --by alias x.org | grep -q ' --by alias x.org >.*/aliases-x.org$'
  ml-list mta postfix --by alias | grep -q ' --by alias >.*/aliases$'
}

@test "ml-list: check says where entries wait and nobody runs their queue" {
  ml-list create news@x.org --owner ann@y.org
  run ml-list check
  [[ "$output" != *"nobody runs it"* ]]
  stream ann@example.org | ml-queue put post 2>/dev/null
  run ml-list check
  is 1 "$status"
  [[ "$output" == *"no"*"queue post"*"ml-queue run post --until-empty -- ml-run --from post"* ]]
}
