#include "list/policy.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/fd.hpp"
#include "base/lines.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_line = 4096;

Result<PostPolicy> file_to_post_policy(const std::string& path) {
  const auto file = open_file(path, O_RDONLY);
  if (!file) {
    return retry("--post must be anyone, subscribers, nobody or a file of addresses: {}",
                 file.error().text);
  }
  std::vector<std::string> keys;
  Lines lines(file->get(), path, longest_line);
  for (;;) {
    const auto line = lines.next();
    if (!line) return fail(line);
    if (line->kind == Line::Kind::none) return PostPolicy(std::move(keys));
    const std::string_view text = trim(line->text);
    if (text.empty() || text.front() == '#') continue;
    const auto address = text_to_address(text);
    if (!address) return retry("{}: line {}: {}", path, lines.number(), address.error().text);
    keys.push_back(address_key(*address));
  }
}

}  // namespace

std::optional<Otherwise> text_to_otherwise(std::string_view text) {
  if (text == "hold") return Otherwise::hold;
  if (text == "reject") return Otherwise::reject;
  if (text == "drop") return Otherwise::drop;
  return std::nullopt;
}

PostPolicy::PostPolicy(std::vector<std::string> keys) : who_(Who::these), keys_(std::move(keys)) {
  std::ranges::sort(keys_);
}

Result<bool> PostPolicy::allows(std::span<const Address> authors,
                                const IsSubscriber& is_subscriber) const {
  if (who_ == Who::anyone) return true;
  if (who_ == Who::nobody) return false;
  for (const Address& author : authors) {
    const auto may = who_ == Who::subscribers
                         ? is_subscriber(author)
                         : Result<bool>(std::ranges::binary_search(keys_, address_key(author)));
    if (!may || *may) return may;
  }
  return false;
}

std::string PostPolicy::denial(const ListName& list) const {
  switch (who_) {
    case Who::subscribers: return "5.7.1 only subscribers may post to " + list.text();
    case Who::nobody: return "5.7.1 nobody may post to " + list.text();
    case Who::anyone:
    case Who::these: break;
  }
  return "5.7.1 only a few people may post to " + list.text() + ", and you are none of them";
}

Result<PostPolicy> text_to_post_policy(const std::string& text) {
  if (text == "anyone") return PostPolicy(PostPolicy::Who::anyone);
  if (text == "subscribers") return PostPolicy(PostPolicy::Who::subscribers);
  if (text == "nobody") return PostPolicy(PostPolicy::Who::nobody);
  return file_to_post_policy(text);
}

}  // namespace ml
