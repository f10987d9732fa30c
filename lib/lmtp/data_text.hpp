// The text of a message between DATA and its dot (RFC 5321 4.5.2), out of octets cut anywhere:
// stuffed dots taken off, the end found.
//
// With LineEnding::crlf only CRLF.CRLF ends a message, and only a dot behind CRLF is a stuffed one.
// A bare LF or CR is text, as are LF.LF, LF.CRLF and CRLF.LF: whoever smuggles a second message in
// such a disguise has sent a strange body and nothing else. With LineEnding::lf, for files and
// pipes, the same holds of LF and LF.LF, and a CR is text.
//
//   DataText text(LineEnding::crlf);
//   const bool ended = text.take(octets, [&](std::string_view piece) { ... });
//   // octets: what follows the end; empty if it has not come yet
#pragma once

#include <functional>
#include <string_view>

namespace ml {

enum class LineEnding { crlf, lf };

class DataText {
 public:
  using Sink = std::function<void(std::string_view)>;

  explicit DataText(LineEnding ending) : ending_(ending) {}

  // Takes octets off the front, up to the end of the message; true if that was there. The pieces
  // joined are the text, its line ends as they came. After the end it is ready for the next one.
  [[nodiscard]] bool take(std::string_view& octets, const Sink& sink);

 private:
  enum class At {
    line,    // in the middle of one
    cr,      // behind a CR
    start,   // at the start of one
    dot,     // behind a dot at the start of one
    dot_cr,  // behind that dot and a CR
  };

  LineEnding ending_;
  At at_ = At::start;
};

}  // namespace ml
