#include "stage/remains.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::string_view left_mark = "-";

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

}  // namespace

Result<> Remains::refuse(std::size_t relay, std::string_view address, std::string_view sender,
                         std::string_view attributes) {
  refused_.resize(std::max(refused_.size(), relay + 1));
  ++refused_[relay];
  return keep(fmt::format_int(relay).c_str(), address, sender, attributes);
}

Result<> Remains::leave(std::string_view address, std::string_view sender,
                        std::string_view attributes) {
  return keep(left_mark, address, sender, attributes);
}

Result<> Remains::keep(std::string_view mark, std::string_view address, std::string_view sender,
                       std::string_view attributes) {
  if (!message_line_.empty()) {
    if (auto kept = spill_.append(message_line_); !kept) return kept;
    if (auto kept = spill_.append("\n"); !kept) return kept;
    message_line_ = {};
  }
  return spill_.append(fmt::format("{}\trcpt\t{}\t{}{}{}\n", mark, address, sender,
                                   attributes.empty() ? "" : "\t", attributes));
}

std::uint64_t Remains::refused(const Blown& blown) const {
  std::uint64_t count = 0;
  for (std::size_t relay = 0; relay < refused_.size(); ++relay) {
    if (!blown(relay)) count += refused_[relay];
  }
  return count;
}

Result<std::uint64_t> Remains::write_refused(Writer& out, const Blown& blown) {
  return write(out, [&](std::string_view mark) {
    return mark != left_mark && !blown(number<std::size_t>(mark).value_or(0));
  });
}

Result<std::uint64_t> Remains::write_left(Writer& out, const Blown& blown) {
  return write(out, [&](std::string_view mark) {
    return mark == left_mark || blown(number<std::size_t>(mark).value_or(0));
  });
}

// A section's message is written with the first of its recipients.
Result<std::uint64_t> Remains::write(Writer& out,
                                     const std::function<bool(std::string_view)>& wanted) {
  SpilledLines lines(spill_);
  std::string message;
  bool open = false;
  std::uint64_t count = 0;
  for (;;) {
    const auto line = lines.next();
    if (!line) return fail(line);
    const bool new_section = !*line || (*line)->starts_with("message\t");
    if (new_section && std::exchange(open, false)) out.end(Status::done, "");
    if (!*line) break;
    if (new_section) {
      message = **line;
      continue;
    }
    const auto tab = (*line)->find('\t');
    if (!wanted((*line)->substr(0, tab))) continue;
    if (!std::exchange(open, true)) out.pass(message);
    out.pass((*line)->substr(tab + 1));
    ++count;
  }
  return count;
}

}  // namespace ml
