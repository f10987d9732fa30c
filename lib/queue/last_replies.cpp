#include "queue/last_replies.hpp"

#include <utility>

#include "base/text.hpp"

namespace ml {
namespace {

// "450 4.2.0 later", and not what we have noted of a queue or the fuse.
bool says_why(const OutcomeLine& line) {
  const auto code = number<unsigned>(line.reply.substr(0, line.reply.find(' ')));
  return code && *code >= 400 && *code < 600;
}

}  // namespace

Result<LastReplies> LastReplies::read(std::string directory, SlotNumber slots) {
  LastReplies last;
  last.directory_ = std::move(directory);
  last.places_.resize(slots);
  auto read = each_outcome(last.directory_, [&](const OutcomeLine& line) -> Result<> {
    if (line.slot < slots && says_why(line)) last.places_[line.slot] = line.place;
    return {};
  });
  if (!read) return fail(read);
  return last;
}

Result<std::optional<LastReplies::Said>> LastReplies::of(SlotNumber slot) {
  if (slot >= places_.size() || !places_[slot]) return std::nullopt;
  const auto line = read_outcome(directory_, *places_[slot], room_);
  if (!line) return fail(line);
  if (!*line || (*line)->slot != slot) return std::nullopt;
  return Said{std::string((*line)->relay), std::string((*line)->reply)};
}

}  // namespace ml
