// Recipients running that a relay has deferred: is it in trouble, or are only they?
//
// A 4yz to RCPT, or LMTP's last reply to a recipient, is often about where the mail goes on to:
// greylisting, a limit for one domain. Of a list in the order of its domains those are neighbours
// by thousands, and the relay has nothing against whoever stands behind them. So such replies speak
// of the relay only where they came for several domains, and while a run of them lasts others are
// tried first. Where nobody else waits each of them is asked for once: one that greylists has then
// seen them all.
//
// A 4yz to DATA or to the dot costs a whole message, and domains do not matter.
//
//   | running, nobody delivered between           | what follows                               |
//   | ------------------------------------------- | ------------------------------------------ |
//   | 20 to messages                              | they speak of the relay                    |
//   | 20 to recipients, of 5 domains or more      | they speak of the relay; after its rest    |
//   |                                             | one of a further domain has the first turn |
//   | 20 to recipients, of fewer domains          | those of other domains have the next turns |
//   | the same, and nobody of another domain      | they go on in their order; after 20 more   |
//   | waits                                       | others are looked for again                |
//
//   Deferrals run;
//   run.of_recipient("example.org");
//   if (run.speak_of_relay()) ...leave it alone
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ml {

class Deferrals {
 public:
  static constexpr std::size_t longest_run = 20;
  static constexpr std::size_t fewest_domains = 5;

  void of_recipient(std::string_view domain);  // by RCPT, or LMTP's last reply
  void of_message() { ++messages_; }           // a recipient of it
  void end();                                  // somebody was delivered

  [[nodiscard]] bool speak_of_relay() const {
    const bool are_of_several = domains_.size() >= fewest_domains;
    return messages_ >= longest_run || (recipients_ >= longest_run && are_of_several);
  }
  // Others are to be tried before any more of these; empty: in their order. Some dozens at most, in
  // small letters. Valid until the next call that is not const.
  [[nodiscard]] std::span<const std::string> domains_to_pass_over() const {
    if (recipients_ < next_look_) return {};
    return domains_;
  }
  // No others wait now.
  void nobody_else_waits() { next_look_ = recipients_ + longest_run; }

 private:
  std::size_t messages_ = 0;
  std::size_t recipients_ = 0;
  std::size_t next_look_ = longest_run;
  std::vector<std::string> domains_;  // of those recipients
};

}  // namespace ml
