// What ml-send did not deliver, kept until the end of the run, since the fuse may still turn
// refused into left.
//
//   Remains remains({"/var/lib/mlpipe", "/var/tmp"});
//   remains.section({"message\tx1\tnews-bounces@x.org\t", message, "\tlist=news@x.org"}, 0);
//   remains.refuse(relay_number, slot, address, sender, attributes);
//   remains.leave(slot, address, sender, attributes);
//   remains.each([&](const Remains::Kept& one) { ... });
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/spill.hpp"

namespace ml {

class Remains {
 public:
  // Views live until the call returns.
  struct Kept {
    std::size_t section = 0;
    std::optional<std::size_t> refused_by;  // a relay's number; nothing: it is left
    std::optional<std::uint32_t> slot;      // in the section's journal
    std::string_view message;               // the line of its section
    std::string_view address;
    std::string_view rcpt;  // the line
  };

  // `directories`: where a spill may go.
  explicit Remains(std::vector<std::string> directories) : spill_(std::move(directories)) {}

  // A `message` line of the stream; its base64 is made again when it is needed.
  struct MessageLine {
    std::string_view before;   // its base64
    std::string_view message;  // decoded
    std::string_view behind;
  };
  // The message whose recipients follow, and its number among the sections; kept only if one of
  // them remains. The views must live until the next section.
  void section(const MessageLine& line, std::size_t number) {
    line_ = line;
    section_ = number;
    section_kept_ = false;
  }

  // `attributes` as in a stream: "status=...\treply=...", no TAB in front.
  [[nodiscard]] Result<> refuse(std::size_t relay, std::optional<std::uint32_t> slot,
                                std::string_view address, std::string_view sender,
                                std::string_view attributes);
  [[nodiscard]] Result<> leave(std::optional<std::uint32_t> slot, std::string_view address,
                               std::string_view sender, std::string_view attributes);

  // In the order of the run; stops at the first failure of `call` and gives it back.
  [[nodiscard]] Result<> each(const std::function<Result<>(const Kept&)>& call);

  // Nothing is kept any more; the section goes on.
  void clear();

 private:
  [[nodiscard]] Result<> keep_section();
  [[nodiscard]] Result<> keep(std::string_view mark, std::optional<std::uint32_t> slot,
                              std::string_view address, std::string_view sender,
                              std::string_view attributes);

  // Lines: "NUMBER message ..." as it came; "MARK SLOT rcpt ...", MARK and SLOT a number or -.
  Spill spill_;
  MessageLine line_;
  std::size_t section_ = 0;
  bool section_kept_ = false;
};

}  // namespace ml
