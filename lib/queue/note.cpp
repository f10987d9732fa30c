#include "queue/note.hpp"

#include <sys/xattr.h>

#include <array>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr const char* attribute = "user.mlpipe.note";
constexpr std::size_t longest = 400;

}  // namespace

void write_note(const Fd& file, const EntryNote& note) {
  const std::string text = fmt::format("{} {}", note.attempts, printable(note.reason, longest));
  static_cast<void>(fsetxattr(file.get(), attribute, text.data(), text.size(), 0));
}

EntryNote read_note(const Fd& file) {
  std::array<char, 4096> room;
  const ssize_t got = fgetxattr(file.get(), attribute, room.data(), room.size());
  if (got <= 0) return {};
  const std::string_view text(room.data(), static_cast<std::size_t>(got));
  const auto blank = text.find(' ');
  const auto attempts = number<unsigned>(text.substr(0, blank));
  if (!attempts || blank == text.npos) return {};
  return {*attempts, printable(text.substr(blank + 1), longest)};
}

}  // namespace ml
