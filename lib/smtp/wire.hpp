// The one encoder of message text for the wire (RFC 5321 2.3.8, 4.5.2; RFC 3030).
//
// LF, CRLF and a bare CR each become CRLF, so nothing that a relay could take for a line end is
// left in the middle of a line; in a message for DATA a dot that begins a line is doubled. What
// comes out always ends in CRLF. It can come in pieces, cut anywhere: the same comes out.
//
//   std::string wire;
//   WireEncoder encoder(Dots::doubled);
//   encoder.add(wire, head);
//   encoder.add(wire, body);
//   encoder.finish(wire);          // then the dialogue sends ".\r\n"
#pragma once

#include <string>
#include <string_view>

namespace ml {

enum class Dots {
  doubled,  // for DATA and LMTP
  plain,    // for BDAT
};

class WireEncoder {
 public:
  explicit WireEncoder(Dots dots) : dots_(dots) {}

  void add(std::string& to, std::string_view piece);
  void finish(std::string& to);  // ends the last line

 private:
  Dots dots_;
  bool line_start_ = true;
  bool after_cr_ = false;  // a CR has become CRLF; an LF right behind it belongs to it
};

[[nodiscard]] std::string text_to_wire(std::string_view text, Dots dots);

}  // namespace ml
