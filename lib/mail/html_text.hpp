// HTML as the text that a person reads in it: tags gone, lines where a browser would break them.
//
//   html_to_text("<p>did not reach:<br>&lt;ann@c.org&gt;</p>") -> "\ndid not reach:\n<ann@c.org>\n"
//
// For bounces, so it knows the few entities that they use. Linear, never fails.
#pragma once

#include <string>
#include <string_view>

namespace ml {

[[nodiscard]] std::string html_to_text(std::string_view html);

}  // namespace ml
