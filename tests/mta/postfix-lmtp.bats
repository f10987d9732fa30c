# Whole domains of lists under a real Postfix that speaks LMTP to ml-lmtpd.

bats_require_minimum_version 1.5.0
load common
load domains
load postfix

setup_file() {
  domains_setup_file
  export BY LMTP_PORT
  LMTP_PORT=$(free_port)
  BY="lmtp:127.0.0.1:$LMTP_PORT"
  start_lmtpd "$LMTP_PORT"
  until_true 10 port_answers "$LMTP_PORT"
  server_up
}
teardown_file() { domains_teardown_file; }
setup() { domains_setup; }

@test "postfix lmtp: each post reaches the subscribers of its own list and nobody else" { each_post_reaches_its_own_list; }
@test "postfix lmtp: an extension behind a plus belongs to the list" { extensions_belong_to_the_list; }
@test "postfix lmtp: what nobody handles goes to the owner" { roles_go_to_the_owner; }
@test "postfix lmtp: an address of no list is refused when it is named" { other_addresses_are_refused; }
@test "postfix lmtp: a stranger hears why the post is not distributed" { strangers_hear_why; }
@test "postfix lmtp: a bounce to a signed address marks its subscriber and no other" { a_bounce_marks_its_subscriber; }
