# Whole domains of lists under a real Sendmail, told what `ml-list mta sendmail` prints.

bats_require_minimum_version 1.5.0
load common
load domains
load sendmail

setup_file() {
  unpacked_setup_file sendmail
  server_up
}
teardown_file() { domains_teardown_file; }
setup() { domains_setup; }

@test "sendmail: each post reaches the subscribers of its own list and nobody else" { each_post_reaches_its_own_list; }
@test "sendmail: an extension behind a plus belongs to the list" { extensions_belong_to_the_list; }
@test "sendmail: what nobody handles goes to the owner" { roles_go_to_the_owner; }
@test "sendmail: an address of no list is refused when it is named" { other_addresses_are_refused; }
@test "sendmail: a stranger hears why the post is not distributed" { strangers_hear_why; }
@test "sendmail: a bounce to a signed address marks its subscriber and no other" { a_bounce_marks_its_subscriber; }
