#include "stage/letter.hpp"

#include <utility>

#include "base/text.hpp"
#include "smtp/wire.hpp"

namespace ml {

Result<> Letter::read(std::string text, const std::optional<std::string>& nonce) {
  const bool has_nul = text.find('\0') != std::string::npos;
  const bool has_8bit = !is_ascii(text);
  forms_[static_cast<std::size_t>(WireForm::dotted)].octets = text_to_wire(text, Dots::doubled);
  forms_[static_cast<std::size_t>(WireForm::chunk)].octets = text_to_wire(text, Dots::plain);
  forms_[static_cast<std::size_t>(WireForm::text)].octets = std::move(text);
  for (InForm& form : forms_) {
    form.message = {{form.octets}, form.octets.size(), has_8bit};
    form.slots.reset();
    if (!nonce || has_nul) continue;
    auto slots = marked_to_slotted(form.octets, *nonce);
    if (!slots) return fail(slots);
    form.slots.emplace(std::move(*slots));
  }
  if (has_nul) return retry("the message holds a NUL");
  return {};
}

Result<> Letter::fill(Copy& copy, WireForm form, std::string_view address, Attributes attributes) {
  const InForm& mould = of(form);
  held_.clear();
  values_.clear();
  for (const std::string& key : mould.slots->keys()) {
    auto value = attributes.raw(key);
    if (value && value->find('\\') != std::string_view::npos) {
      value = held_.emplace_back(attributes.value(key).value_or(""));
    } else if (!value && key == "address") {
      value = address;
    }
    values_.push_back(value);
  }
  if (auto done = mould.slots->fill(values_, copy.filled); !done) return done;
  copy.message.pieces = copy.filled.pieces;
  copy.message.has_8bit = mould.message.has_8bit;
  copy.message.size = 0;
  for (const std::string_view piece : copy.message.pieces) copy.message.size += piece.size();
  return {};
}

}  // namespace ml
