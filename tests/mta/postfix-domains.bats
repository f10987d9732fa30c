# Whole domains of lists under a real Postfix, by pipe(8): what `ml-list mta postfix` prints is run.

bats_require_minimum_version 1.5.0
load common
load domains
load postfix

setup_file() {
  domains_setup_file
  server_up
}
teardown_file() { domains_teardown_file; }
setup() { domains_setup; export MAIL_CONFIG="$T/postfix/etc"; }

@test "postfix pipe(8): each post reaches the subscribers of its own list and nobody else" { each_post_reaches_its_own_list; }
@test "postfix pipe(8): an extension behind a plus belongs to the list" { extensions_belong_to_the_list; }
@test "postfix pipe(8): what nobody handles goes to the owner" { roles_go_to_the_owner; }
@test "postfix pipe(8): an address of no list is refused when it is named" { other_addresses_are_refused; }
@test "postfix pipe(8): a stranger hears why the post is not distributed" { strangers_hear_why; }
@test "postfix pipe(8): a bounce to a signed address marks its subscriber and no other" { a_bounce_marks_its_subscriber; }

@test "postfix pipe(8): to be told again changes nothing" {
  cp "$T/postfix/etc/main.cf" "$T/postfix/etc/master.cf" "$T"
  run_as_list ml-list mta postfix | sh >"$T/postfix/log/told" 2>&1
  cmp "$T/main.cf" "$T/postfix/etc/main.cf"
  cmp "$T/master.cf" "$T/postfix/etc/master.cf"
}

@test "postfix pipe(8): a new list needs the map alone" {
  run_as_list ml-list create news@b.test
  is 550 "$(reply_to_rcpt news@b.test | cut -c1-3)"
  run_as_list ml-list check news@b.test | grep -q "^no.*the map of addresses lacks it"
  run_as_list ml-list mta postfix --map >"$T/map"
  cp "$T/map" "$T/postfix/etc/mlpipe-lists"
  postfix reload
  is 250 "$(reply_to_rcpt news@b.test | cut -c1-3)"
  run_as_list ml-list check news@b.test >"$T/found" || true
  is "ok" "$(grep "news@b.test route" "$T/found" | cut -f1)"
}

@test "postfix pipe(8): several lists in one envelope each have their own fate" {
  printf 'From: ann@example.org\nTo: both\nMessage-ID: <both@example.org>\n\nHello.\n' |
    sendmail -C "$T/postfix/etc" -f ann@example.org announce@a.test announce-frob@a.test announce@b.test
  reaches $(subscribers_of announce@a.test) $(subscribers_of announce@b.test) ann@example.org
}

@test "postfix pipe(8): to be told of one domain leaves the others as they are" {
  cp "$T/postfix/etc/mlpipe-domains" "$T/postfix/etc/mlpipe-lists" "$T"
  run_as_list ml-list create news@third.test
  run_as_list ml-list mta postfix news@third.test | sh >"$T/postfix/log/told" 2>&1
  run_as_list ml-list mta postfix a.test | sh >"$T/postfix/log/told" 2>&1
  is 250 "$(reply_to_rcpt news@third.test | cut -c1-3)"
  for list in "${lists[@]}"; do is "250 $list" "$(reply_to_rcpt "$list" | cut -c1-3) $list"; done
  is "$(sort "$T/mlpipe-domains" <(echo third.test mlpipe:))" "$(sort "$T/postfix/etc/mlpipe-domains")"
  is "$(run_as_list ml-list mta postfix --map | sort)" "$(sort "$T/postfix/etc/mlpipe-lists")"
  post ann@example.org announce@b.test
  reaches $(subscribers_of announce@b.test)
}

@test "postfix pipe(8): another home does not take the place of the first" {
  install -d -o list -g list -m 700 "$T/other"
  ML_HOME="$T/other" run_as_list ml-list create announce@a.test
  cp "$T/postfix/etc/mlpipe-domains" "$T/postfix/etc/main.cf" "$T/postfix/etc/master.cf" "$T"
  ML_HOME="$T/other" run_as_list ml-list mta postfix >"$T/script"
  run ! sh "$T/script"
  [[ "$output" == *"is of the home $T/home"* ]]
  for file in mlpipe-domains main.cf master.cf; do cmp "$T/$file" "$T/postfix/etc/$file"; done
}

@test "postfix pipe(8): check finds nothing to mend behind the script and bounces come back without a delimiter" {
  postconf -X recipient_delimiter
  postconf -e mailbox_size_limit=1000
  postfix reload
  run_as_list ml-list check announce@a.test
  a_bounce_marks_its_subscriber
}

@test "postfix pipe(8): an extension may stand behind a hyphen where the settings say so" { hyphens_may_begin_extensions; }
