#include "mail/mailboxes.hpp"

#include <utility>

#include "base/text.hpp"
#include "mail/rfc2047.hpp"

namespace ml {
namespace {

struct Token {
  enum class Kind { none, atom, quoted, literal, comment, special };
  Kind kind = Kind::none;
  std::string_view raw;
  bool blank_before = false;
};

bool is_special(char c) {
  return std::string_view("()<>[]:;@\\,.\"").find(c) != std::string_view::npos;
}

// The tokens of RFC 5322 3.2, folding and blanks passed over. An unclosed quote, comment or
// literal reaches to the end.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : rest_(text) {}

  Token next() {
    Token token;
    while (!rest_.empty() && is_space(rest_.front())) {
      rest_.remove_prefix(1);
      token.blank_before = true;
    }
    if (rest_.empty()) return token;
    const auto [kind, length] = measure();
    token.kind = kind;
    token.raw = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return token;
  }

 private:
  std::pair<Token::Kind, std::size_t> measure() const {
    switch (rest_.front()) {
      case '"': return {Token::Kind::quoted, closed_by('"')};
      case '[': return {Token::Kind::literal, closed_by(']')};
      case '(': return {Token::Kind::comment, comment_length()};
      default: break;
    }
    if (is_special(rest_.front())) return {Token::Kind::special, 1};
    std::size_t length = 1;
    while (length < rest_.size() && !is_special(rest_[length]) && !is_space(rest_[length]))
      ++length;
    return {Token::Kind::atom, length};
  }

  std::size_t closed_by(char closing) const {
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == closing) return i + 1;
      if (rest_[i] == '\\') ++i;
    }
    return rest_.size();
  }

  std::size_t comment_length() const {
    std::size_t depth = 0;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '(') {
        ++depth;
      } else if (rest_[i] == ')' && --depth == 0) {
        return i + 1;
      }
    }
    return rest_.size();
  }

  std::string_view rest_;
};

// What stands inside a quoted string or a comment, its escapes undone.
std::string content(std::string_view raw) {
  std::string text;
  if (raw.size() < 2) return text;
  raw = raw.substr(1, raw.size() - 2);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\\' && i + 1 < raw.size()) ++i;
    if (raw[i] != '\n') text.push_back(raw[i]);
  }
  return text;
}

// Reads one mailbox after the other off a list.
class Parser {
 public:
  std::vector<Mailbox> parse(std::string_view value) {
    Tokens tokens(value);
    for (Token token = tokens.next(); token.kind != Token::Kind::none; token = tokens.next()) {
      take(token);
    }
    finish();
    return std::move(found_);
  }

 private:
  void take(const Token& token) {
    if (token.kind == Token::Kind::comment) {
      comment_ = content(token.raw);
    } else if (token.kind == Token::Kind::special && !token.raw.empty()) {
      take_special(token);
    } else if (closed_) {
      broken_ = true;
    } else {
      add_word(token);
    }
  }

  void take_special(const Token& token) {
    const char c = token.raw.front();
    if (c == ';' || (c == ',' && !in_route())) return finish();
    if (closed_ || (c == '<' && in_angle_) || (c == '>' && !in_angle_)) {
      broken_ = true;  // more than one address in the place of one: neither is believed
    } else if (c == '<') {
      in_angle_ = true;
      begin_spec();
    } else if (c == '>') {
      closed_ = true;
    } else if (c == ':') {
      // The end of a route inside brackets, of a group's name outside.
      in_angle_ ? begin_spec() : clear();
    } else {
      add_special(token);
    }
  }

  bool in_route() const { return in_angle_ && !closed_ && spec_.starts_with('@'); }

  void add_special(const Token& token) {
    if (!in_angle_) add_to_phrase(token, token.raw);
    if (in_route()) return;
    spec_.append(token.raw);
    after_word_ = false;
  }

  // Two words with nothing between them are a display name and no address.
  void add_word(const Token& token) {
    const bool quoted = token.kind == Token::Kind::quoted;
    if (!in_angle_) add_to_phrase(token, quoted ? content(token.raw) : std::string(token.raw));
    if (in_route()) return;
    broken_ = broken_ || after_word_;
    spec_.append(token.raw);
    after_word_ = true;
  }

  void add_to_phrase(const Token& token, std::string_view text) {
    if (token.blank_before && !phrase_.empty()) phrase_.push_back(' ');
    phrase_.append(text);
  }

  void finish() {
    if (!spec_.empty() && !broken_ && in_angle_ == closed_) {
      if (auto address = text_to_address(spec_)) {
        found_.push_back({decode_words(in_angle_ && !phrase_.empty() ? phrase_ : comment_),
                          std::move(*address)});
      }
    }
    clear();
  }

  void begin_spec() {
    spec_.clear();
    broken_ = after_word_ = false;
  }

  void clear() {
    begin_spec();
    phrase_.clear();
    comment_.clear();
    in_angle_ = closed_ = false;
  }

  std::vector<Mailbox> found_;
  std::string phrase_;
  std::string spec_;     // the address without blanks and comments; after '@', a route
  std::string comment_;  // the last one
  bool in_angle_ = false;
  bool closed_ = false;  // behind the '>'
  bool broken_ = false;
  bool after_word_ = false;
};

}  // namespace

std::vector<Mailbox> field_to_mailboxes(std::string_view value) {
  return Parser().parse(value);
}

std::vector<Address> mailboxes(std::string_view value) {
  std::vector<Address> addresses;
  for (Mailbox& mailbox : Parser().parse(value)) addresses.push_back(std::move(mailbox.address));
  return addresses;
}

}  // namespace ml
