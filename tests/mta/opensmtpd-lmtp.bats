# Whole domains of lists under a real OpenSMTPD that speaks LMTP to ml-lmtpd.

bats_require_minimum_version 1.5.0
load common
load domains
load opensmtpd

setup_file() {
  unpacked_setup_file opensmtpd
  take_lmtp
  server_up
}
teardown_file() { domains_teardown_file; }
setup() { domains_setup; }

@test "opensmtpd lmtp: each post reaches the subscribers of its own list and nobody else" { each_post_reaches_its_own_list; }
@test "opensmtpd lmtp: an extension behind a plus belongs to the list" { extensions_belong_to_the_list; }
@test "opensmtpd lmtp: what nobody handles goes to the owner" { roles_go_to_the_owner; }
@test "opensmtpd lmtp: an address of no list is refused when it is named" { other_addresses_are_refused; }

# Its LMTP client takes every refusal for one that may pass.
@test "opensmtpd lmtp: a stranger's post is put off" {
  post stranger@example.com announce@a.test
  is_put_off() { grep -q 'to=<announce@a.test> .*result=TempFail .*only subscribers may post' "$T/opensmtpd/log"; }
  until_true 20 is_put_off
  is "" "$(recipients)"
}

@test "opensmtpd lmtp: a bounce to a signed address marks its subscriber and no other" { a_bounce_marks_its_subscriber; }
