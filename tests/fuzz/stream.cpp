// Any octets as a stream: sections of one message at most, its recipients and one end each,
// whatever stands there; every line given out is clean, and what is written reads back the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/demand.hpp"
#include "octets.hpp"
#include "stream/reader.hpp"
#include "stream/writer.hpp"

using namespace ml;

namespace {

constexpr std::size_t longest_line = 2000;  // so that over-long lines are met too

// However the reader came to it.
bool is_read_alike(const RcptRecord& a, const std::expected<RcptRecord, std::string_view>& b) {
  const auto same = [](std::string_view one, std::string_view other) {
    return one.data() == other.data() && one.size() == other.size();
  };
  return b && same(a.address, b->address) && same(a.sender, b->sender) && a.at == b->at &&
         same(a.attributes.text(), b->attributes.text());
}

// Passes a stream on as a filter does, and says in one line what was seen.
std::string passed_on(const Fd& input, const Fd& output) {
  Reader in(input.get(), {}, longest_line);
  Writer out(output.get());
  std::string seen;
  bool inside = false;
  for (;;) switch (in.next()) {
      case Record::message:
        demand(!inside && is_clean_line(in.line()) && is_id(in.message().id));
        demand(!in.message().sender.empty() && !in.message().base64.empty());
        inside = true;
        seen += 'm';
        out.pass(in.line());
        static_cast<void>(decoded_message(in.message()));
        break;
      case Record::rcpt:
        demand(inside && is_read_alike(in.rcpt(), line_to_rcpt(in.line())));
        seen += 'r';
        out.pass(in.line());
        break;
      case Record::end:
        demand(in.end().status >= 0 && in.end().status <= 255);
        demand(unescaped(in.end().text).has_value() && is_clean_line(in.end().text));
        demand(!in.end().found_here || in.end().status == 75);
        inside = false;
        seen += 'e' + std::to_string(in.end().status);
        out.end(in.end());
        break;
      case Record::none:
        demand(!inside && !seen.empty() && in.next() == Record::none);
        demand(out.flush().has_value());
        return seen;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Fd input = octets_to_fd({reinterpret_cast<const char*>(data), size});
  const Fd once = octets_to_fd("");
  const Fd twice = octets_to_fd("");
  const std::string seen = passed_on(input, once);
  lseek(once.get(), 0, SEEK_SET);
  demand(passed_on(once, twice) == seen);
  demand(fd_to_octets(once) == fd_to_octets(twice));
  return 0;
}
