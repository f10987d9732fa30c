// What became of a recipient: a letter in its slot and in the lines of the log. journal.hpp has the
// arrows between them.
#pragma once

namespace ml {

enum class Outcome : char {
  in_flight = 'F',
  delivered = 'D',
  refused = 'R',
  deferred = 'T',
  unanswered = 'U',
  left = 'L',
  given_up = 'G',
};

// In a slot: refused, and whoever is to know of it was told.
inline constexpr char refused_and_told = 'Q';
// The same: given up, and the relay's reply to him is not known.
inline constexpr char given_up_in_doubt = 'X';

// The outcome that a slot's letter stands for: small ones are of recipients that an entry keeps.
[[nodiscard]] constexpr Outcome letter_to_outcome(char letter) {
  if (letter == refused_and_told) return Outcome::refused;
  if (letter == given_up_in_doubt) return Outcome::unanswered;
  return static_cast<Outcome>(letter >= 'a' ? letter - 'a' + 'A' : letter);
}

// Whether a queue entry keeps the recipient: L f u.
[[nodiscard]] constexpr bool is_kept(char letter) {
  return letter >= 'a' || static_cast<Outcome>(letter) == Outcome::left;
}

// Whether one kept him that went without him: G X.
[[nodiscard]] constexpr bool is_given_up(char letter) {
  return letter == given_up_in_doubt || static_cast<Outcome>(letter) == Outcome::given_up;
}

}  // namespace ml
