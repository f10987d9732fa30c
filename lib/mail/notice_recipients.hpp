// The recipients that are found in the text of a notice, each once, and what the text says of them.
//
//   NoticeRecipients found(notice);
//   found.add("ann@c.org", place);                // where what is said of her begins
//   auto reports = found.reports(Action::failed);
//
// Not thread-safe; the notice must outlive it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "mail/dsn.hpp"
#include "mail/notice.hpp"

namespace ml {

class NoticeRecipients {
 public:
  explicit NoticeRecipients(const Notice& notice) : notice_(notice), text_(notice.text) {}

  // `place` is a position in the text. The sender of the notice is none, nor is anybody beyond the
  // first 1,000.
  void add(std::string_view address, std::size_t place);
  // The address right behind this place, if there is one.
  void add_behind(std::size_t place);
  // The only recipient in the header that came back; nobody, if it names several or none.
  void add_returned();

  // Nobody's failure: the one who sent the message, and those to ask about it.
  [[nodiscard]] bool is_bystander(std::string_view address) const;
  [[nodiscard]] bool empty() const { return found_.empty(); }

  // Status and diagnostic are what the text says of that recipient, or else of all.
  [[nodiscard]] std::vector<Report> reports(Action action) const;

 private:
  struct Found {
    std::string address;
    std::size_t place = 0;
  };

  [[nodiscard]] std::string_view said_of(std::size_t which, std::string_view until) const;
  [[nodiscard]] std::string diagnostic_of(std::size_t which, const std::string& of_all) const;

  const Notice& notice_;
  std::string_view text_;
  std::vector<Found> found_;
};

}  // namespace ml
