#include "stage/recipient_log.hpp"

#include <fcntl.h>
#include <syslog.h>

#include <utility>

#include "base/text.hpp"

namespace ml {

Result<RecipientLog> RecipientLog::open(const std::string& where) {
  if (where == "stderr") return RecipientLog(To::standard_error, Fd(), where);
  if (where == "syslog")
    return RecipientLog(To::system_log, Fd(), where);  // log_to() has opened it
  auto file = open_file(where, O_WRONLY | O_CREAT | O_APPEND);
  if (!file) return fail(file);
  return RecipientLog(To::file, std::move(*file), where);
}

void RecipientLog::add(std::string_view address, std::string_view outcome, std::int64_t now,
                       std::string_view relay, const Reply& reply, std::string_view id) {
  if (to_ == To::system_log) {
    const std::string line = printable(fmt::format("{}: to=<{}>, relay={}, {} ({})", id, address,
                                                   relay, outcome, reply_to_text(reply)),
                                       2000);
    return syslog(LOG_INFO, "%s", line.c_str());
  }
  lines_.append(address).append(1, '\t').append(outcome).append(1, '\t');
  lines_.append(time_to_stamp(now)).append(1, '\t').append(relay).append(1, '\t');
  append_reply(lines_, reply);
  lines_.append(1, '\t').append(id).append(1, '\n');
}

Result<> RecipientLog::flush() {
  if (lines_.empty()) return {};
  const std::string lines = std::exchange(lines_, {});
  return write_all(to_ == To::file ? file_.get() : 2, lines, name_);
}

}  // namespace ml
