#include "mail/envelope.hpp"

#include <array>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace ml {
namespace {

std::string_view without_brackets(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '<' && text.back() == '>') {
    text = trim(text.substr(1, text.size() - 2));
  }
  return text;
}

std::optional<std::string> text_to_sender(std::string_view text) {
  if (is_null_sender(text)) return std::string(null_sender);
  const auto address = text_to_address(without_brackets(text));
  if (!address) return std::nullopt;
  return address_to_text(*address);
}

}  // namespace

bool is_null_sender(std::string_view text) {
  const std::string_view bare = without_brackets(text);
  return bare.empty() || same_nocase(bare, "MAILER-DAEMON");
}

Result<std::optional<std::string>> envelope_sender(const SenderSources& sources) {
  if (sources.option) {
    auto sender = text_to_sender(*sources.option);
    if (sender) return sender;
    return failure(Status::rejected, "5.1.7 '{}' is no address of a sender",
                   printable(*sources.option, 80));
  }
  const bool exact = sources.exactness == Exactness::exact;
  const std::optional<std::string> nothing;
  for (const auto* source : {exact ? &sources.environment : &nothing, &sources.return_path,
                             &sources.environment, &sources.from_line}) {
    if (!*source) continue;
    if (auto sender = text_to_sender(**source)) return sender;
  }
  return std::nullopt;
}

}  // namespace ml
