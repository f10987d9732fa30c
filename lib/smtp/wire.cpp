#include "smtp/wire.hpp"

#include <cstring>

namespace ml {

void WireEncoder::add(std::string& to, std::string_view piece) {
  if (after_cr_ && piece.starts_with('\n')) piece.remove_prefix(1);
  if (!piece.empty()) after_cr_ = false;
  while (!piece.empty()) {
    if (line_start_ && dots_ == Dots::doubled && piece.front() == '.') to.push_back('.');
    const auto lf = piece.find('\n');
    std::string_view line = piece.substr(0, lf);
    const auto* const cr = line.empty() ? nullptr : std::memchr(line.data(), '\r', line.size());
    if (cr != nullptr) {
      line = line.substr(0, static_cast<std::size_t>(static_cast<const char*>(cr) - line.data()));
    }
    to.append(line);
    piece.remove_prefix(line.size());
    line_start_ = !piece.empty();
    if (!line_start_) return;
    to.append("\r\n");
    after_cr_ = piece.size() == 1 && cr != nullptr;
    piece.remove_prefix(cr != nullptr && piece.substr(1).starts_with('\n') ? 2 : 1);
  }
}

void WireEncoder::finish(std::string& to) {
  if (!line_start_) to.append("\r\n");
  line_start_ = true;
  after_cr_ = false;
}

std::string text_to_wire(std::string_view text, Dots dots) {
  std::string wire;
  wire.reserve(text.size() + text.size() / 16 + 64);
  WireEncoder encoder(dots);
  encoder.add(wire, text);
  encoder.finish(wire);
  return wire;
}

}  // namespace ml
