#include "stage/remains.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::string_view no_number = "-";

// The lines of a spill, one after the other.
class SpilledLines {
 public:
  explicit SpilledLines(Spill& spill) : spill_(spill) {}

  // Nothing at the end.
  Result<std::optional<std::string_view>> next() {
    for (;;) {
      const auto lf = block_.find('\n', scanned_);
      if (lf != std::string::npos) {
        const std::string_view line = std::string_view(block_).substr(begin_, lf - begin_);
        begin_ = scanned_ = lf + 1;
        return line;
      }
      if (read_ == spill_.size()) return std::nullopt;
      block_.erase(0, std::exchange(begin_, 0));
      const auto more = std::min<std::uint64_t>(spill_.size() - read_, std::size_t{256} << 10);
      const std::size_t held = scanned_ = block_.size();
      block_.resize(held + more);
      if (auto got = spill_.read(read_, std::span(block_).subspan(held)); !got) return fail(got);
      read_ += more;
    }
  }

 private:
  Spill& spill_;
  std::string block_;
  std::size_t begin_ = 0;
  std::size_t scanned_ = 0;
  std::uint64_t read_ = 0;
};

// The word up to the next blank, taken off `line`.
std::string_view take_word(std::string_view& line) {
  const auto blank = line.find(' ');
  const std::string_view word = line.substr(0, blank);
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

}  // namespace

Result<> Remains::refuse(std::size_t relay, std::optional<std::uint32_t> slot,
                         std::string_view address, std::string_view sender,
                         std::string_view attributes) {
  return keep(fmt::format_int(relay).c_str(), slot, address, sender, attributes);
}

Result<> Remains::leave(std::optional<std::uint32_t> slot, std::string_view address,
                        std::string_view sender, std::string_view attributes) {
  return keep(no_number, slot, address, sender, attributes);
}

Result<> Remains::keep_section() {
  constexpr std::size_t piece = std::size_t{48} << 10;  // a multiple of three: no padding inside
  if (auto kept = spill_.append(fmt::format("{} {}", section_, line_.before)); !kept) return kept;
  for (auto rest = line_.message; !rest.empty(); rest.remove_prefix(std::min(rest.size(), piece))) {
    if (auto kept = spill_.append(base64(rest.substr(0, piece))); !kept) return kept;
  }
  return spill_.append(fmt::format("{}\n", line_.behind));
}

Result<> Remains::keep(std::string_view mark, std::optional<std::uint32_t> slot,
                       std::string_view address, std::string_view sender,
                       std::string_view attributes) {
  if (!section_kept_) {
    if (auto kept = keep_section(); !kept) return kept;
    section_kept_ = true;
  }
  return spill_.append(fmt::format("{} {} rcpt\t{}\t{}{}{}\n", mark,
                                   slot ? fmt::format_int(*slot).c_str() : no_number, address,
                                   sender, attributes.empty() ? "" : "\t", attributes));
}

void Remains::clear() {
  spill_.clear();
  section_kept_ = false;
}

Result<> Remains::each(const std::function<Result<>(const Kept&)>& call) {
  SpilledLines lines(spill_);
  std::string message;
  Kept kept;
  for (;;) {
    auto read = lines.next();
    if (!read) return fail(read);
    if (!*read) return {};
    std::string_view line = **read;
    const std::string_view first = take_word(line);
    if (line.starts_with("message\t")) {
      message = line;
      kept.section = number<std::size_t>(first).value_or(0);
      continue;
    }
    kept.message = message;
    kept.refused_by = number<std::size_t>(first);
    kept.slot = number<std::uint32_t>(take_word(line));
    kept.rcpt = line;
    const auto tab = line.find('\t') + 1;
    kept.address = line.substr(tab, line.find('\t', tab) - tab);
    if (auto called = call(kept); !called) return called;
  }
}

}  // namespace ml
