// Any octets as a file of people: each good row must be fit for a rcpt line.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "base/attributes.hpp"
#include "base/text.hpp"
#include "list/rows.hpp"

using namespace ml;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void read_through(const std::string& path, const RowOptions& options) {
  auto rows = Rows::open(path, options);
  if (!rows) return;
  std::uint64_t line = 0;
  Row row;
  for (auto more = rows->next(row); more && *more; more = rows->next(row)) {
    must(row.line > line);
    line = row.line;
    if (!row.bad.empty()) continue;
    const auto address = text_to_address(address_to_text(row.address));
    must(address && *address == row.address);
    must(is_utf8(row.attributes));
    Attributes(row.attributes).each([](std::string_view key, std::string_view value) {
      must(is_key(key) && !is_reserved_key(key) && !value.empty());
      must(unescaped(value).has_value() && value.find('\n') == std::string_view::npos);
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fd file(memfd_create("rows", MFD_CLOEXEC));
  must(ftruncate(file.get(), 0) == 0);
  must(pwrite(file.get(), data, size, 0) == static_cast<ssize_t>(size));
  const auto path = "/proc/self/fd/" + std::to_string(file.get());
  read_through(path, {});
  read_through(path, {.column = "x", .renames = {"status=s"}});
  return 0;
}
