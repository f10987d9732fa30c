// ml-list mta: what a mail server must be told so that mail reaches the lists.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/home.hpp"
#include "base/out.hpp"
#include "base/result.hpp"

namespace ml {

// What is printed: how mail comes in, the map of addresses alone, or a second server for mail out.
enum class MtaPart { intake, map, outbound };

struct MtaRequest {
  std::string server;             // postfix, exim, opensmtpd, sendmail or qmail
  std::string which;              // a list or a domain; empty: all of the home
  std::optional<std::string> by;  // pipe (default), lmtp[:SOCKET], maildir[:DIRECTORY], alias
  MtaPart part = MtaPart::intake;
};

// Whole domains with an entry each, programs and home by their whole paths. What the server cannot
// do is Status::usage; no list, or two lists that would be one alias, is Status::no; a directory
// whose name would need quotes somewhere is 75. Of a home of root's a line on standard error says
// that its mail would not be delivered, and the script for Postfix stops with it.
[[nodiscard]] Result<Status> print_mta(const Home& home, const MtaRequest& request, Out& out);

// Why a home must not be root's, and what to do.
[[nodiscard]] std::string roots_home(std::string_view home);

// The directory of the running program: the others stand beside it.
[[nodiscard]] Result<std::string> program_directory();

}  // namespace ml
