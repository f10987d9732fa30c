# Whole domains of lists under a real Exim, told what `ml-list mta exim` prints.

bats_require_minimum_version 1.5.0
load common
load domains
load exim

setup_file() {
  unpacked_setup_file exim
  server_up
}
teardown_file() { domains_teardown_file; }
setup() { domains_setup; }

@test "exim: each post reaches the subscribers of its own list and nobody else" { each_post_reaches_its_own_list; }
@test "exim: an extension behind a plus belongs to the list" { extensions_belong_to_the_list; }
@test "exim: what nobody handles goes to the owner" { roles_go_to_the_owner; }
@test "exim: an address of no list is refused when it is named" { other_addresses_are_refused; }
@test "exim: a stranger hears why the post is not distributed" { strangers_hear_why; }
@test "exim: a bounce to a signed address marks its subscriber and no other" { a_bounce_marks_its_subscriber; }
@test "exim: an extension may stand behind a hyphen where the settings say so" { hyphens_may_begin_extensions; }
