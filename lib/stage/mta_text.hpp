// The configuration of each mail server, as text; pure. Inside of ml-list mta only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "list/name.hpp"

namespace ml {

struct MtaList {
  ListName name;
  std::vector<std::string> owners;
};

enum class MtaWay { pipe, lmtp, maildir, alias };

// All that stands in a configuration. The paths are plain: absolute, letters, digits, / . _ + -
// only.
struct MtaFacts {
  std::vector<MtaList> lists;        // sorted by domain, never empty
  std::vector<std::string> domains;  // theirs, each once
  std::string programs;              // the directory of ml-run
  std::string home;
  bool is_system_home = false;  // then no command line need name it
  std::string user;             // who owns it
  bool is_roots = false;        // that is root, as whom mail servers run nothing
  char delimiter = '+';         // what a list's address may go on behind
  MtaWay way = MtaWay::pipe;
  std::string place;           // the socket (a path, or HOST:PORT) or the Maildir
  std::string command;         // "ml-list mta postfix ..." as it was given
  std::string command_of_all;  // the same without the list or domain that it named
  std::string part;            // that list or domain; empty: all of the home
};

[[nodiscard]] std::string postfix_text(const MtaFacts& facts);
[[nodiscard]] std::string postfix_outbound_text(const MtaFacts& facts);
// Status::no where two lists would be one alias.
[[nodiscard]] Result<std::string> alias_text(const MtaFacts& facts);
[[nodiscard]] std::string exim_text(const MtaFacts& facts);
[[nodiscard]] std::string opensmtpd_text(const MtaFacts& facts);
[[nodiscard]] std::string sendmail_text(const MtaFacts& facts);
[[nodiscard]] std::string qmail_text(const MtaFacts& facts);

// Every address of the lists, so that all others are refused when they are named.
enum class MapForm {
  postfix,    // regexp_table(5): /^news(-(owner|...))?(\+.*)?@x\.org$/ ok
  exim,       // nwildlsearch: ^(?i)...
  opensmtpd,  // a table of regular expressions
  sendmail    // plain, without extensions: news-owner@x.org OK
};
[[nodiscard]] std::string map_text(const MtaFacts& facts, MapForm form);

// "ml-run", with its whole path and, if it must be named, the home.
[[nodiscard]] std::string run_command(const MtaFacts& facts);
// `one` with each item in the place of {}, joined.
[[nodiscard]] std::string each_of(const std::vector<std::string>& items, std::string_view before,
                                  std::string_view behind, std::string_view between);

}  // namespace ml
