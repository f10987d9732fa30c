#include <fmt/format.h>

#include "stage/mta_text.hpp"

namespace ml {
namespace {

std::string begun(const MtaFacts& facts, std::string_view server, std::string_view map) {
  std::string text = fmt::format(
      "# {} for the lists in {}: whole domains, an entry each.\n"
      "#\n",
      server, facts.home);
  if (map.empty()) return text;
  return text +
         fmt::format(
             "# First the map of the addresses of all lists, and again when lists come and go:\n"
             "#   {} --map >{}\n",
             facts.command_of_all, map);
}

std::string exim_transport(const MtaFacts& facts) {
  if (facts.way == MtaWay::lmtp) {
    return fmt::format(
        "mlpipe:\n"
        "  driver = lmtp\n"
        "  socket = {}\n"
        "  user = {}\n"
        "  batch_max = 100\n",
        facts.place, facts.user);
  }
  const std::string home =
      facts.is_system_home ? "" : fmt::format("  environment = ML_HOME={}\n", facts.home);
  return fmt::format(
      "mlpipe:\n"
      "  driver = pipe\n"
      "  # No arguments, which would be tainted: ml-run reads the envelope in its environment.\n"
      "  command = {}/ml-run\n"
      "  user = {}\n"
      "{}"
      "  return_path_add\n"
      "  envelope_to_add\n"
      "  message_prefix =\n"
      "  message_suffix =\n"
      "  return_fail_output\n"
      "  # Whatever goes wrong on this machine: later, and not back to the author.\n"
      "  timeout = 10m\n"
      "  timeout_defer\n"
      "  temp_errors = 71 : 73 : 74 : 75 : 78 : 126 : 127\n"
      "  freeze_exec_fail\n"
      "  freeze_signal\n",
      facts.programs, facts.user, home);
}

}  // namespace

std::string exim_text(const MtaFacts& facts) {
  return begun(facts, "Exim", "/etc/exim4/mlpipe-lists") +
         fmt::format(
             "#\n"
             "# In the main section, and +mlpipe_domains among the domains that the RCPT ACL "
             "takes\n"
             "# mail for (Debian: MAIN_RELAY_TO_DOMAINS or relay_to_domains):\n"
             "domainlist mlpipe_domains = {}\n"
             "\n"
             "# Before all other routers that deliver here:\n"
             "mlpipe:\n"
             "  driver = accept\n"
             "  domains = +mlpipe_domains\n"
             "  condition = "
             "${{lookup{{$local_part@$domain}}nwildlsearch{{/etc/exim4/"
             "mlpipe-lists}}{{yes}}{{no}}}}\n"
             "  caseful_local_part\n"
             "  transport = mlpipe\n"
             "mlpipe_unknown:\n"
             "  driver = redirect\n"
             "  domains = +mlpipe_domains\n"
             "  allow_fail\n"
             "  data = :fail: 5.1.1 no such list\n"
             "\n"
             "# Among the transports:\n"
             "{}",
             each_of(facts.domains, "", "", " : "), exim_transport(facts));
}

std::string opensmtpd_text(const MtaFacts& facts) {
  const std::string command =
      facts.is_system_home
          ? facts.programs + "/ml-run"
          : fmt::format("/usr/bin/env ML_HOME={} {}/ml-run", facts.home, facts.programs);
  const std::string action = facts.way == MtaWay::lmtp
                                 ? fmt::format("lmtp \"{}\" rcpt-to", facts.place)
                                 : fmt::format("mda \"{}\"", command);
  return begun(facts, "OpenSMTPD", "/etc/mail/mlpipe-lists") +
         fmt::format(
             "#   smtpctl update table mlpipe-lists\n"
             "#\n"
             "# In smtpd.conf, before other matches:\n"
             "table mlpipe-lists file:/etc/mail/mlpipe-lists\n"
             "table mlpipe-user {{ \"@\" = \"{}\" }}\n"
             "action \"mlpipe\" {} virtual <mlpipe-user>\n"
             "match from any for rcpt-to regex <mlpipe-lists> action \"mlpipe\"\n"
             "{}",
             facts.user, action,
             each_of(facts.domains, "match from any for domain \"", "\" reject\n", ""));
}

std::string sendmail_text(const MtaFacts& facts) {
  // A map knows no patterns, and behind a hyphen anything may stand.
  const bool refuses = facts.delimiter != '-';
  constexpr std::string_view beginning = R"sh(#
# In sendmail.mc, below the MAILER lines. Between the two sides of a rule stand TABs. None of
# the domains may be in class w (local-host-names), where the aliases are.
LOCAL_CONFIG
C{{MlpipeDomains}}{domains}
CR{domains}
)sh";
  constexpr std::string_view by_map = R"sh(Kmlpipe text -k0 -v1 /etc/mail/mlpipe-lists

LOCAL_RULE_0
R$+ < @ $={MlpipeDomains} $* >	$: $>MlpipeList $1 < @ $2 >

LOCAL_RULESETS
SMlpipeList
R$+	$: <?> $1
R<?> $+ + $* < @ $+ >	$: <$(mlpipe $1@$3 $: NO $)> $1 + $2 < @ $3 >
R<?> $+ < @ $+ >	$: <$(mlpipe $1@$2 $: NO $)> $1 < @ $2 >
R<OK> $+ < @ $+ >	$#mlpipe $@ $2 $: $1@$2
R<NO> $+ < @ $+ >	$#error $@ 5.1.1 $: "550 no such list"
)sh";
  constexpr std::string_view all = R"sh(
LOCAL_RULE_0
R$+ < @ $={MlpipeDomains} $* >	$#mlpipe $@ $2 $: $1@$2
)sh";
  constexpr std::string_view mailer = R"sh(
MAILER_DEFINITIONS
Mmlpipe,	P={program}, F=lsDFMoqPnu, S=EnvFromL/HdrFromL, R=EnvToL/HdrToL, T=DNS/RFC822/X-Unix,
	U={user}, A=ml-run {home}-f $g -- $u
)sh";
  std::string text = begun(facts, "Sendmail", refuses ? "/etc/mail/mlpipe-lists" : "");
  text += fmt::format(fmt::runtime(beginning),
                      fmt::arg("domains", each_of(facts.domains, " ", "", "")));
  text += refuses ? by_map : all;
  return text +
         fmt::format(fmt::runtime(mailer), fmt::arg("program", facts.programs + "/ml-run"),
                     fmt::arg("user", facts.user),
                     fmt::arg("home", facts.is_system_home ? "" : "--home " + facts.home + ' '));
}

std::string qmail_text(const MtaFacts& facts) {
  return begun(facts, "qmail", "") +
         fmt::format(
             "# qmail itself refuses no address when it is named: ml-run does, in a bounce.\n"
             "# As root, and again when domains come:\n"
             "add() {{ grep -qsxF -e \"$2\" \"$1\" || echo \"$2\" >>\"$1\"; }}\n"
             "{3}{2}"
             "cat >~{1}/.qmail-default <<'END'\n"
             "|{0} -f \"$SENDER\" -- \"$EXT@$HOST\"\n"
             "END\n"
             "chown {1} ~{1}/.qmail-default\n"
             "# and have qmail-send read its control files again (SIGHUP).\n",
             run_command(facts), facts.user,
             each_of(facts.domains, "add /var/qmail/control/virtualdomains ",
                     ":" + facts.user + "\n", ""),
             each_of(facts.domains, "add /var/qmail/control/rcpthosts ", "\n", ""));
}

}  // namespace ml
