#include <fmt/format.h>

#include "stage/mta.hpp"
#include "stage/mta_text.hpp"

namespace ml {
namespace {

// What a domain's entry names, and its line in master.cf.
struct Service {
  std::string name;
  std::string next_hop;
  std::string line;
};

Service service_of(const MtaFacts& facts) {
  switch (facts.way) {
    case MtaWay::lmtp: {
      const std::string_view kind = facts.place.starts_with('/') ? "unix" : "inet";
      return {"mlpipe-lmtp", fmt::format("{}:{}", kind, facts.place), "unix - - n - - lmtp"};
    }
    case MtaWay::maildir: {
      const auto slash = facts.place.rfind('/');
      return {"mlpipe-maildir", "",
              fmt::format("unix - n n - - virtual -o virtual_mailbox_base={0}/ "
                          "-o virtual_mailbox_maps=static:{1}/ "
                          "-o virtual_uid_maps=static:$(id -u {2}) "
                          "-o virtual_gid_maps=static:$(id -g {2}) -o virtual_minimum_uid=1 "
                          "-o virtual_mailbox_limit=0",
                          facts.place.substr(0, slash), facts.place.substr(slash + 1), facts.user)};
    }
    default:
      return {"mlpipe", "",
              fmt::format("unix - n n - 4 pipe flags=RX user={} null_sender= directory=/ "
                          "argv={} -f \\${{sender}} -- \\${{recipient}}",
                          facts.user, run_command(facts))};
  }
}

constexpr std::string_view beginning =
    R"sh(# Postfix for the lists in {home}: whole domains, an entry each.
# Read this, then as root: {command} | sh
# It may be run again at any time. When lists come and go, the map of all is enough:
#   cd "$(postconf -h config_directory)" &&
#   {all} --map >mlpipe-lists.new && mv mlpipe-lists.new mlpipe-lists && postfix reload
set -eu
{refusal}config=$(postconf -h config_directory)

# add PARAMETER VALUE: behind what it has, once.
add() {{
  now=$(postconf -h "$1")
  case ", $now," in
    *", $2,"*) ;;
    *) postconf -e "$1 = ${{now:+$now, }}$2" ;;
  esac
}}

# One Postfix serves one home: its maps and services would take the place of another's.
was=$(sed -n '1s/^# //p' "$config/mlpipe-domains" 2>/dev/null || :)
case $was in
  "" | "{home}") ;;
  *) echo "$config/mlpipe-domains is of the home $was: remove it first if that one is gone" >&2
     exit 1 ;;
esac

)sh";

constexpr std::string_view maps =
    R"sh(# The domains and what delivers their mail. None of them may be in mydestination.
{{
  echo '# {home}'
  {other_domains}cat <<'END'
{domains}END
}} >"$config/mlpipe-domains.new"
mv "$config/mlpipe-domains.new" "$config/mlpipe-domains"

# Their addresses; any other is refused when it is named.
{{
  {other_lists}cat <<'END'
{map}END
}} >"$config/mlpipe-lists.new"
mv "$config/mlpipe-lists.new" "$config/mlpipe-lists"

add virtual_mailbox_domains "texthash:$config/mlpipe-domains"
add virtual_mailbox_maps "regexp:$config/mlpipe-lists"
add transport_maps "texthash:$config/mlpipe-domains"
)sh";

// The dots of a domain as they stand in the map, in a string of awk.
std::string escaped_twice(std::string_view domain) {
  std::string text;
  for (const char c : domain) c == '.' ? text.append("\\\\.") : text.append(1, c);
  return text;
}

// The lines of other domains stay where only one is meant.
std::string maps_text(const MtaFacts& facts, std::string_view entry) {
  std::string other_domains;
  std::string other_lists;
  if (!facts.part.empty()) {
    const std::string& domain = facts.domains.front();
    other_domains = fmt::format(
        "[ ! -e \"$config/mlpipe-domains\" ] ||\n"
        "    awk '!/^#/ && $1 != \"{}\"' \"$config/mlpipe-domains\"\n  ",
        domain);
    other_lists = fmt::format(
        "[ ! -e \"$config/mlpipe-lists\" ] ||\n"
        "    awk '!index($0, \"@{}$/\")' \"$config/mlpipe-lists\"\n  ",
        escaped_twice(domain));
  }
  return fmt::format(fmt::runtime(maps), fmt::arg("home", facts.home),
                     fmt::arg("other_domains", other_domains), fmt::arg("other_lists", other_lists),
                     fmt::arg("domains", each_of(facts.domains, "", entry, "")),
                     fmt::arg("map", map_text(facts, MapForm::postfix)));
}

// Postfix runs no program and writes no Maildir as root; its queue would only fill.
std::string refusal_of(const MtaFacts& facts) {
  if (!facts.is_roots || facts.way == MtaWay::lmtp) return {};
  return fmt::format("echo '{}' >&2\nexit 1\n", roots_home(facts.home));
}

}  // namespace

std::string postfix_text(const MtaFacts& facts) {
  const Service service = service_of(facts);
  const std::string entry = fmt::format(" {}:{}\n", service.name, service.next_hop);
  std::string text =
      fmt::format(fmt::runtime(beginning), fmt::arg("home", facts.home),
                  fmt::arg("command", facts.command), fmt::arg("all", facts.command_of_all),
                  fmt::arg("refusal", refusal_of(facts))) +
      maps_text(facts, entry);
  if (facts.way == MtaWay::pipe) {
    text +=
        "# One recipient a call: each has an exit status of its own.\n"
        "postconf -e mlpipe_destination_recipient_limit=1\n";
  }
  if (facts.way == MtaWay::maildir) {
    text += fmt::format(
        "# Out of there into the queues, as {}: {}/ml-receive --maildir {} --watch\n{}", facts.user,
        facts.programs, facts.place,
        facts.is_system_home ? "# or by the unit: systemctl enable --now mlpipe-maildir.path\n"
                             : "");
  }
  if (facts.way == MtaWay::lmtp && facts.place.starts_with('/')) {
    text += fmt::format(
        "# The user postfix must be able to open {0}, which ml-lmtpd listens on:\n"
        "# {1}\n",
        facts.place,
        facts.place == "/run/mlpipe/lmtp"
            ? "the unit makes it so: systemctl enable --now mlpipe-lmtp.socket"
            : "the socket is 0660 and its directory 0750, both of the group postfix.");
  }
  text += fmt::format("postconf -M \"{0}/unix={0} {1}\"\n", service.name, service.line);
  return text + "postfix reload\n";
}

std::string postfix_outbound_text(const MtaFacts& facts) {
  constexpr std::string_view form =
      R"sh(# A second Postfix for what the lists send: no spam or virus scan of each copy, no milters, and a
# queue of its own, so that a big post does not stand before other mail.
# Read this, then as root, once: {command} | sh
# After that the lists send through it, with this line in {home}/lists.toml, above any [table]:
#   via = "smtp://127.0.0.1:10025"
set -eu
postmulti -e init
postmulti -I postfix-mlpipe -G mta -e create
config=$(dirname "$(postconf -h config_directory)")/postfix-mlpipe

# As the first instance does where it concerns the world outside.
for name in myhostname relayhost smtp_tls_security_level smtp_tls_CAfile smtp_tls_CApath \
  smtp_bind_address smtp_bind_address6 inet_protocols; do
  postconf -c "$config" -e "$name = $(postconf -xh $name)"
done
# From this machine only, for anywhere; nothing is delivered here.
postconf -c "$config" -e \
  'inet_interfaces = loopback-only' 'mynetworks = 127.0.0.0/8 [::1]/128' \
  'mydestination =' 'local_transport = error:5.1.1 no mailboxes here' 'alias_maps =' \
  'local_recipient_maps =' 'authorized_submit_users =' \
  'smtpd_relay_restrictions = permit_mynetworks, reject' \
  'smtpd_recipient_restrictions = permit_mynetworks, reject'
# No scan: the post was scanned once, when it came in.
postconf -c "$config" -e \
  'content_filter =' 'smtpd_milters =' 'non_smtpd_milters =' 'header_checks =' 'body_checks =' \
  'receive_override_options = no_unknown_recipient_checks, no_header_body_checks, no_milters'
# At the speed of ml-send: it is the only client, and may have a sender for each copy.
postconf -c "$config" -e \
  'smtpd_authorized_verp_clients = 127.0.0.0/8 [::1]/128' \
  'smtpd_client_connection_count_limit = 0' \
  'smtpd_error_sleep_time = 0' 'in_flow_delay = 0'
# Bounces go to the first instance and from there to the lists.
postconf -c "$config" -e 'transport_maps = inline:{{ {domains} }}'
postconf -c "$config" -M '127.0.0.1:10025/inet=127.0.0.1:10025 inet n - n - - smtpd'
postconf -c "$config" -MX smtp/inet
postconf -c "$config" -e 'master_service_disable ='
postmulti -i postfix-mlpipe -e enable
postmulti -i postfix-mlpipe -p start
)sh";
  return fmt::format(fmt::runtime(form), fmt::arg("command", facts.command),
                     fmt::arg("home", facts.home),
                     fmt::arg("domains", each_of(facts.domains, "", "=smtp:[127.0.0.1]:25", ", ")));
}

}  // namespace ml
