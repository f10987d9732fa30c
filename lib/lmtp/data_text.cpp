#include "lmtp/data_text.hpp"

#include <algorithm>

namespace ml {

bool DataText::take(std::string_view& octets, const Sink& sink) {
  const char line_end = ending_ == LineEnding::crlf ? '\r' : '\n';
  const std::string_view all = octets;
  std::size_t begin = 0;  // of what is text and not yet given out
  std::size_t at = 0;
  const auto give = [&](std::size_t end) {
    if (end > begin) sink(all.substr(begin, end - begin));
  };
  while (at < all.size()) {
    const char octet = all[at];
    switch (at_) {
      case At::line:
        at = std::min(all.find(line_end, at), all.size());
        if (at == all.size()) break;
        ++at;
        at_ = ending_ == LineEnding::crlf ? At::cr : At::start;
        break;
      case At::cr:
        at_ = octet == '\n' ? At::start : octet == '\r' ? At::cr : At::line;
        ++at;
        break;
      case At::start:
        at_ = octet == '.' ? At::dot : At::line;
        if (octet != '.') break;
        give(at);
        begin = ++at;
        break;
      case At::dot:
        if (octet != line_end) {
          at_ = At::line;
          break;
        }
        ++at;
        if (ending_ == LineEnding::crlf) {
          at_ = At::dot_cr;
          break;
        }
        at_ = At::start;
        octets.remove_prefix(at);
        return true;
      case At::dot_cr:
        if (octet != '\n') {  // the dot was a stuffed one, the CR is text
          if (begin == at) sink("\r");
          at_ = At::cr;
          break;
        }
        at_ = At::start;
        octets.remove_prefix(at + 1);
        return true;
    }
  }
  const bool cr_may_be_of_the_end = at_ == At::dot_cr && begin < at;
  give(cr_may_be_of_the_end ? at - 1 : at);
  octets = {};
  return false;
}

}  // namespace ml
