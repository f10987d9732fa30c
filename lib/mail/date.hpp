// Dates and Message-IDs for mail that we make ourselves. Clock and randomness are the caller's.
//
//   append_field(head, "Date", time_to_date(std::chrono::system_clock::now()));
//   append_field(head, "Message-ID", make_message_id(base32(sixteen_random_octets), domain));
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace ml {

// RFC 5322 3.3 in UTC: "Sun, 22 Nov 2026 15:04:05 +0000". Fractions of a second are cut off.
[[nodiscard]] std::string time_to_date(std::chrono::system_clock::time_point time);

// RFC 5322 3.6.4: "<random@domain>". `random` is letters and digits that nobody else will draw
// (16 octets of randomness in base32), `domain` as text_to_domain() gives it.
[[nodiscard]] std::string make_message_id(std::string_view random, std::string_view domain);

}  // namespace ml
