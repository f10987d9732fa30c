#include "mail/message.hpp"

#include <cstddef>

#include "base/text.hpp"
#include "mail/header.hpp"

namespace ml {
namespace {

// In place: the text only shrinks.
void to_lf(std::string& text) {
  std::size_t from = text.find('\r');
  if (from == std::string::npos) return;
  std::size_t to = from;
  for (; from < text.size(); ++from) {
    const bool cr = text[from] == '\r';
    if (cr && from + 1 < text.size() && text[from + 1] == '\n') continue;
    text[to++] = cr ? '\n' : text[from];
  }
  text.resize(to);
}

// The sender of "From SENDER DATE"; a quoted local part may hold blanks.
std::string_view from_line_sender(std::string_view line) {
  line.remove_prefix(5);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && is_blank(line[i])) {
      return line.substr(0, i);
    }
  }
  return quoted ? std::string_view() : line;
}

}  // namespace

Result<IncomingMessage> octets_to_message(std::string octets) {
  if (octets.find('\0') != std::string::npos) {
    return failure(Status::rejected, "5.6.0 the message has a NUL octet; mail must not");
  }
  to_lf(octets);
  IncomingMessage intake;
  if (octets.starts_with("From ")) {
    const auto lf = octets.find('\n');
    const std::string_view line = std::string_view(octets).substr(0, lf);
    intake.from_line = std::string(from_line_sender(line));
    octets.erase(0, lf == std::string::npos ? octets.size() : lf + 1);
  }
  intake.message = std::move(octets);
  return intake;
}

MessageParts split_message(std::string_view message) {
  std::size_t length = 0;
  for (const Field& field : Fields(message)) length += field.raw.size();
  const std::size_t body = message.substr(length).starts_with('\n') ? length + 1 : length;
  return {message.substr(0, length), message.substr(length, body - length), message.substr(body)};
}

}  // namespace ml
