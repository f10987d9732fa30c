# Whole domains of lists under a real Exim that speaks LMTP to ml-lmtpd.

bats_require_minimum_version 1.5.0
load common
load domains
load exim

setup_file() {
  unpacked_setup_file exim
  take_lmtp
  server_up
}
teardown_file() { domains_teardown_file; }
setup() { domains_setup; }

@test "exim lmtp: each post reaches the subscribers of its own list and nobody else" { each_post_reaches_its_own_list; }
@test "exim lmtp: an extension behind a plus belongs to the list" { extensions_belong_to_the_list; }
@test "exim lmtp: what nobody handles goes to the owner" { roles_go_to_the_owner; }
@test "exim lmtp: an address of no list is refused when it is named" { other_addresses_are_refused; }
@test "exim lmtp: a stranger hears why the post is not distributed" { strangers_hear_why; }
@test "exim lmtp: a bounce to a signed address marks its subscriber and no other" { a_bounce_marks_its_subscriber; }
