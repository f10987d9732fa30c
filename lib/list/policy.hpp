// Who may post to a list, and what becomes of the post of somebody who may not.
//
// The author is who From says, and anybody can write anything there: a policy keeps strangers and
// accidents out, not forgers. Against those the mail server has to check DMARC before the pipe.
//
//   auto policy = text_to_post_policy("subscribers");
//   auto may = policy->allows(authors, [&](const Address& author) { ...ask the store... });
//   if (may && !*may) return failure(Status::denied, "{}", policy->denial(list));
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "list/name.hpp"
#include "mail/address.hpp"

namespace ml {

// --else
enum class Otherwise { hold, reject, drop };
[[nodiscard]] std::optional<Otherwise> text_to_otherwise(std::string_view text);

// --post
class PostPolicy {
 public:
  enum class Who { anyone, subscribers, nobody, these };
  using IsSubscriber = std::function<Result<bool>(const Address&)>;

  explicit PostPolicy(Who who) : who_(who) {}
  // Only the mailboxes with these keys (address_key).
  explicit PostPolicy(std::vector<std::string> keys);

  // True if one of the authors may post. `is_subscriber` is asked only where that matters.
  [[nodiscard]] Result<bool> allows(std::span<const Address> authors,
                                    const IsSubscriber& is_subscriber) const;
  // True where subscribers in general may not post: the list says `List-Post: NO`.
  [[nodiscard]] bool is_announce_only() const { return who_ == Who::nobody || who_ == Who::these; }
  // For the author: "5.7.1 only subscribers may post to news@x.org".
  [[nodiscard]] std::string denial(const ListName& list) const;

 private:
  Who who_;
  std::vector<std::string> keys_;  // sorted
};

// anyone, subscribers, nobody, or else the path of a file with an address a line; blank lines and
// lines that begin with # are passed over. A bad line is 75 naming file and line.
[[nodiscard]] Result<PostPolicy> text_to_post_policy(const std::string& text);

}  // namespace ml
