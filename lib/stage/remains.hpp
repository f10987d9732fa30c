// What ml-send did not deliver: the refused and the left, each in the end a complete ml-stream of
// its own.
//
// During the run both are kept in one spill, since the fuse may still turn refused into left.
//
//   Remains remains({"/var/lib/mlpipe", "/var/tmp"});
//   remains.section(message, text);
//   remains.refuse(relay_number, address, sender, attributes);
//   remains.leave(address, sender, attributes);
//   remains.write_left(out, blown);         // a Writer; blown(relay): its refusals do not count
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/spill.hpp"
#include "stream/writer.hpp"

namespace ml {

class Remains {
 public:
  // Says of a relay's number that its refusals of this run do not count.
  using Blown = std::function<bool(std::size_t)>;

  // `directories`: where a spill may go.
  explicit Remains(std::vector<std::string> directories) : spill_(std::move(directories)) {}

  // The message whose recipients follow, as its line in the stream; kept only if one of them
  // remains. The view must live until the next section.
  void section(std::string_view message_line) { message_line_ = message_line; }

  // `attributes` as in a stream: "status=...\treply=...", no TAB in front.
  [[nodiscard]] Result<> refuse(std::size_t relay, std::string_view address,
                                std::string_view sender, std::string_view attributes);
  [[nodiscard]] Result<> leave(std::string_view address, std::string_view sender,
                               std::string_view attributes);

  // Refused by relays whose refusals count.
  [[nodiscard]] std::uint64_t refused(const Blown& blown) const;

  // Give the number of recipients written. Each section has its `end 0`.
  [[nodiscard]] Result<std::uint64_t> write_refused(Writer& out, const Blown& blown);
  [[nodiscard]] Result<std::uint64_t> write_left(Writer& out, const Blown& blown);

 private:
  [[nodiscard]] Result<> keep(std::string_view mark, std::string_view address,
                              std::string_view sender, std::string_view attributes);
  [[nodiscard]] Result<std::uint64_t> write(
      Writer& out, const std::function<bool(std::string_view mark)>& wanted);

  std::vector<std::uint64_t> refused_;  // by relay
  Spill spill_;  // lines: "message ..." as they came; "MARK\trcpt ...", MARK - or a relay's number
  std::string_view message_line_;
};

}  // namespace ml
