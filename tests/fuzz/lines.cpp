// Any octets as lines under a small limit, wherever the reads are cut: nothing is lost, changed
// or given out twice, and the kinds are told rightly.
#include "base/lines.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/demand.hpp"
#include "octets.hpp"

using namespace ml;

namespace {

constexpr std::size_t limit = 100;

// Takes the next line off `rest` by the plain rules and compares.
void expect(const Line& line, std::string_view& rest) {
  const auto lf = rest.find('\n');
  const std::string_view text = rest.substr(0, lf);
  if (rest.empty()) return demand(line.kind == Line::Kind::none);
  if (text.size() > limit) {
    demand(line.kind == Line::Kind::too_long && text.starts_with(line.text));
  } else {
    demand(line.text == text);
    demand(line.kind == (lf == std::string_view::npos ? Line::Kind::cut : Line::Kind::whole));
  }
  rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t cut = data[0] % (text.size() + 1);
  const Fd input = octets_to_fd(text.substr(cut));
  Lines lines(input.get(), "memory", limit, text.substr(0, cut));
  std::uint64_t number = 0;
  for (std::string_view rest = text;;) {
    const auto line = lines.next();
    demand(line.has_value());
    expect(*line, rest);
    if (line->kind == Line::Kind::none) return 0;
    demand(lines.number() == ++number);
  }
}
