// A message in the forms that the ways out want, shared by all its recipients or, where it has
// slots, with a copy for each. For a relay without 8BITMIME 8-bit text is encoded
// (mail/seven_bit.hpp), once a message.
//
//   Letter letter;
//   if (auto read = letter.read(text, nonce); !read) ...       // nobody can get it
//   transaction.message = &letter.shared(WireForm::dotted);
//   Letter::Copy copy;                                          // used again and again
//   if (auto filled = letter.fill(copy, WireForm::dotted, address, attributes); !filled) ...
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/attributes.hpp"
#include "base/result.hpp"
#include "mail/slots.hpp"
#include "smtp/transaction.hpp"

namespace ml {

class Letter {
 public:
  struct Copy {
    Filled filled;
    WireMessage message;
  };

  // `text`: the message with LF line ends. `nonce`: of its slots, if it has any. A message that
  // cannot be sent is an error: NUL, slots that are damaged; text() is that message's all the same.
  [[nodiscard]] Result<> read(std::string text, const std::optional<std::string>& nonce);

  [[nodiscard]] const std::string& text() const { return of(WireForm::text).octets; }
  [[nodiscard]] bool has_8bit() const { return of(WireForm::text).message.has_8bit; }
  // It went out with its 8-bit text encoded.
  [[nodiscard]] bool was_recoded() const { return ascii_ == Ascii::made; }
  [[nodiscard]] bool is_personal() const { return of(WireForm::text).slots.has_value(); }
  // Both live until the next read().
  [[nodiscard]] const WireMessage& shared(WireForm form) { return mould(form).message; }
  // Makes copy.message. The recipient's values are its attributes; `address` is one of everybody's.
  [[nodiscard]] Result<> fill(Copy& copy, WireForm form, std::string_view address,
                              Attributes attributes);

 private:
  struct InForm {
    std::string octets;
    WireMessage message;
    std::optional<SlottedMessage> slots;
  };
  [[nodiscard]] const InForm& of(WireForm form) const {
    return forms_[static_cast<std::size_t>(form)];
  }
  [[nodiscard]] InForm& of(WireForm form) { return forms_[static_cast<std::size_t>(form)]; }
  // The same, made when it is first asked for.
  [[nodiscard]] const InForm& mould(WireForm form);
  [[nodiscard]] Result<> make(WireForm form);
  void recode();
  [[nodiscard]] Result<> put(WireForm form, std::string octets);

  std::array<InForm, 5> forms_;
  std::optional<std::string> nonce_;
  enum class Ascii { unasked, made, impossible } ascii_ = Ascii::unasked;
  std::string why_8bit_;
  std::deque<std::string> held_;  // room for fill(): values that are not as they stand
  std::vector<std::optional<std::string_view>> values_;
};

}  // namespace ml
