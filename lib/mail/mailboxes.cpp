#include "mail/mailboxes.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.hpp"

namespace ml {
namespace {

// One pass over the value. An item is what commas and groups separate: a bare address, or a
// display name and an address in angle brackets.
class Scan {
 public:
  explicit Scan(std::string_view value) : rest_(value) {}

  std::vector<Address> all() {
    while (!rest_.empty()) step();
    end_item();
    return std::move(found_);
  }

 private:
  void step() {
    const char c = rest_.front();
    switch (c) {
      case '(': return skip_comment();
      case '"': return take_quoted();
      case ',':
      case ';': rest_.remove_prefix(1); return is_inside_angle() ? take(c) : end_item();
      case '<': rest_.remove_prefix(1); return begin_angle();
      case '>': rest_.remove_prefix(1); return end_angle();
      case ':': rest_.remove_prefix(1); return end_group_name_or_route();
      default: break;
    }
    rest_.remove_prefix(1);
    is_space(c) ? leave_gap() : take(c);
  }

  // Where a comma belongs to a route.
  [[nodiscard]] bool is_inside_angle() const { return angle_ && !closed_; }

  // Blanks and comments mean nothing beside a dot or an @, and part words anywhere else.
  void leave_gap() { gap_ = !item_.empty(); }
  void take(char c) {
    const bool joined = c == '.' || c == '@' || item_.ends_with('.') || item_.ends_with('@');
    if (gap_ && !joined) item_.push_back(' ');
    gap_ = false;
    item_.push_back(c);
  }

  void skip_comment() {
    std::size_t depth = 0;
    std::size_t i = 0;
    for (; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '(') {
        ++depth;
      } else if (rest_[i] == ')' && --depth == 0) {
        ++i;
        break;
      }
    }
    rest_.remove_prefix(std::min(i, rest_.size()));
    leave_gap();
  }

  void take_quoted() {
    std::size_t i = 1;
    while (i < rest_.size() && rest_[i] != '"') i += rest_[i] == '\\' ? 2U : 1U;
    const std::string_view quoted = rest_.substr(0, i + 1);
    rest_.remove_prefix(std::min(i + 1, rest_.size()));
    take(quoted.front());
    item_.append(quoted.substr(1));
  }

  void begin_angle() {
    if (closed_) return take('<');  // a second address in one item: neither is one
    item_.clear();                  // it was the display name
    gap_ = false;
    angle_ = true;
  }
  void end_angle() {
    if (!angle_ || closed_) return take('>');  // no address holds one: the item is none
    closed_ = true;
    address_ = std::exchange(item_, {});
    gap_ = false;
  }
  // "Friends: ann@example.org, ...;" or "<@hop.example:ann@example.org>"
  void end_group_name_or_route() {
    item_.clear();
    gap_ = false;
  }

  void end_item() {
    const bool whole = closed_ ? item_.empty() : !angle_;
    const std::string& text = closed_ ? address_ : item_;
    if (whole && !text.empty()) {
      if (auto address = text_to_address(text)) found_.push_back(std::move(*address));
    }
    item_.clear();
    address_.clear();
    gap_ = angle_ = closed_ = false;
  }

  std::string_view rest_;
  std::string item_;
  std::string address_;  // what stood in the angle brackets
  bool gap_ = false;
  bool angle_ = false;
  bool closed_ = false;
  std::vector<Address> found_;
};

}  // namespace

std::vector<Address> mailboxes(std::string_view value) {
  return Scan(value).all();
}

}  // namespace ml
