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

std::vector<std::string> environment_recipients(const Variable& variable) {
  const auto text = [&](const char* name) { return variable(name).value_or(""); };
  const auto extension = text("EXTENSION");
  std::vector<std::string> found{text("RECIPIENT"), text("ORIGINAL_RECIPIENT")};
  if (variable("EXT")) found.push_back(text("EXT") + '@' + text("HOST"));
  found.push_back(text("LOCAL") + (extension.empty() ? "" : '+' + extension) + '@' +
                  text("DOMAIN"));
  found.push_back(text("LOCAL_PART_PREFIX") + text("LOCAL_PART") + text("LOCAL_PART_SUFFIX") + '@' +
                  text("DOMAIN"));
  found.push_back(text("LOCAL") + '@' + text("HOST"));
  std::erase_if(found, [](const std::string& address) {
    const auto at = address.rfind('@');
    return at == std::string::npos || at == 0 || at + 1 == address.size();
  });
  return found;
}

// Only Postfix local(8) sets ORIGINAL_RECIPIENT, and it filters what SENDER says.
SenderSources environment_sender(const Variable& variable) {
  SenderSources sources;
  sources.environment = variable("SENDER");
  if (variable("ORIGINAL_RECIPIENT")) sources.exactness = Exactness::filtered;
  return sources;
}

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
