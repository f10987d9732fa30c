#include "stage/letter.hpp"

#include <utility>

#include "base/text.hpp"
#include "mail/seven_bit.hpp"
#include "smtp/wire.hpp"

namespace ml {

Result<> Letter::read(std::string text, const std::optional<std::string>& nonce) {
  const bool has_nul = text.find('\0') != std::string::npos;
  nonce_ = has_nul ? std::nullopt : nonce;
  ascii_ = Ascii::unasked;
  forms_ = {};
  Result<> state = put(WireForm::text, std::move(text));
  // Slots may turn out to be damaged: that is to be known now.
  for (const WireForm form : {WireForm::dotted, WireForm::chunk}) {
    if (state && nonce_) state = make(form);
  }
  if (state && has_nul) return retry("the message holds a NUL");
  return state;
}

Result<> Letter::make(WireForm form) {
  const Dots dots = form == WireForm::dotted ? Dots::doubled : Dots::plain;
  return put(form, text_to_wire(text(), dots));
}

Result<> Letter::put(WireForm which, std::string octets) {
  InForm& form = of(which);
  form.octets = std::move(octets);
  form.message = {{form.octets}, form.octets.size(), !is_ascii(form.octets)};
  form.slots.reset();
  if (!nonce_) return {};
  auto slots = marked_to_slotted(form.octets, *nonce_);
  if (!slots) return fail(slots);
  form.slots.emplace(std::move(*slots));
  return {};
}

const Letter::InForm& Letter::mould(WireForm form) {
  if (form == WireForm::text) return of(form);
  const bool is_dotted = form == WireForm::dotted || form == WireForm::dotted_ascii;
  const WireForm plain = is_dotted ? WireForm::dotted : WireForm::chunk;
  if (form == plain || !has_8bit()) {
    if (of(plain).octets.empty()) static_cast<void>(make(plain));  // without slots it cannot fail
    return of(plain);
  }
  if (ascii_ == Ascii::unasked) recode();
  if (ascii_ == Ascii::made) return of(form);
  static_cast<void>(mould(plain));
  of(plain).message.why_8bit = why_8bit_;
  return of(plain);
}

void Letter::recode() {
  ascii_ = Ascii::impossible;
  const auto text = message_to_7bit(of(WireForm::text).octets);
  if (!text) {
    why_8bit_ = text.error().text;
    return;
  }
  for (const auto& [form, dots] : {std::pair{WireForm::dotted_ascii, Dots::doubled},
                                   std::pair{WireForm::chunk_ascii, Dots::plain}}) {
    if (auto done = put(form, text_to_wire(*text, dots)); !done) {
      why_8bit_ = done.error().text;
      return;
    }
  }
  ascii_ = Ascii::made;
}

Result<> Letter::fill(Copy& copy, WireForm form, std::string_view address, Attributes attributes) {
  const InForm& mould = this->mould(form);
  const bool has_escapes = attributes.text().find('\\') != std::string_view::npos;
  held_.clear();
  values_.clear();
  for (const std::string& key : mould.slots->keys()) {
    auto value = attributes.raw(key);
    if (value && has_escapes) {
      value = held_.emplace_back(attributes.value(key).value_or(""));
    } else if (!value && key == "address") {
      value = address;
    }
    values_.push_back(value);
  }
  if (auto done = mould.slots->fill(values_, copy.filled); !done) return done;
  std::swap(copy.message.pieces, copy.filled.pieces);
  copy.message.has_8bit = mould.message.has_8bit;
  copy.message.why_8bit = mould.message.why_8bit;
  copy.message.size = 0;
  for (const std::string_view piece : copy.message.pieces) copy.message.size += piece.size();
  return {};
}

}  // namespace ml
