#include "mail/html.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t longest_kept = 32;

template <std::size_t count>
bool is_one_of(std::string_view text, const std::array<std::string_view, count>& names) {
  return std::ranges::find(names, text) != names.end();
}

bool is_raw_element(std::string_view tag) {
  constexpr std::array<std::string_view, 9> names{
      "script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext", "textarea", "title"};
  return is_one_of(tag, names);
}
bool is_text_element(std::string_view tag) {
  return tag == "textarea" || tag == "title";
}

bool is_url_attribute(std::string_view name) {
  constexpr std::array<std::string_view, 14> names{
      "href",   "src",  "action", "formaction", "background", "cite",     "longdesc",
      "poster", "data", "srcset", "ping",       "xlink:href", "codebase", "lowsrc"};
  return is_one_of(name, names);
}
bool is_script_attribute(std::string_view name) {
  return name.starts_with("on") || name == "style" || name == "srcdoc";
}
bool is_harmless_scheme(std::string_view scheme) {
  constexpr std::array<std::string_view, 7> schemes{"http", "https", "mailto", "tel",
                                                    "sms",  "cid",   "ftp"};
  return is_one_of(scheme, schemes);
}

void keep(std::string& text, char c) {
  if (text.size() < longest_kept) text.push_back(to_lower(c));
}
void keep_tail(std::string& tail, char c) {
  if (tail.size() == longest_kept) tail.erase(0, longest_kept / 2);
  tail.push_back(to_lower(c));
}

}  // namespace

void HtmlPlaces::pass(std::string_view html) {
  for (const char c : html) step(c);
}

HtmlPlace HtmlPlaces::place() {
  switch (state_) {
    case State::data: return in_url_ ? HtmlPlace::url : HtmlPlace::text;
    case State::raw: return is_text_element(raw_) ? HtmlPlace::text : HtmlPlace::script;
    case State::quoted: break;
    case State::before_value:
    case State::unquoted: return HtmlPlace::unquoted;
    case State::declaration:
    case State::comment:
    case State::bogus: return HtmlPlace::comment;
    default: return HtmlPlace::markup;
  }
  if (is_script_attribute(attribute_)) return HtmlPlace::script;
  const HtmlPlace found = is_url_attribute(attribute_) ? url_place() : HtmlPlace::attribute;
  filled_ = true;
  return found;
}

// What a browser does with the URL is decided by its scheme, up to the first of `:/?#`.
HtmlPlace HtmlPlaces::url_place() const {
  if (filled_) return HtmlPlace::url;  // the first slot had to be a whole URL's beginning
  if (value_.empty()) return HtmlPlace::whole_url;
  const auto end = value_.find_first_of(":/?#&");
  if (end == std::string::npos || value_[end] == '&') return HtmlPlace::script;
  if (value_[end] != ':') return HtmlPlace::url;  // relative
  return is_harmless_scheme(std::string_view(value_).substr(0, end)) ? HtmlPlace::url
                                                                     : HtmlPlace::script;
}

void HtmlPlaces::step(char c) {
  switch (state_) {
    case State::data: return step_data(c);
    case State::raw: return step_raw(c);
    case State::tag_open:
    case State::end_tag_open: return step_tag_open(c);
    case State::tag_name:
      if (c == '>') return end_tag();
      if (is_space(c) || c == '/') {
        state_ = State::before_attribute;
      } else {
        keep(tag_, c);
      }
      return;
    case State::before_attribute:
    case State::attribute_name:
    case State::after_attribute_name: return step_attribute(c);
    case State::before_value: return step_before_value(c);
    case State::quoted: return step_quoted(c);
    case State::unquoted:
      if (c == '>') return end_tag();
      if (is_space(c)) state_ = State::before_attribute;
      return;
    case State::declaration:
    case State::comment:
    case State::bogus: return step_comment(c);
  }
}

void HtmlPlaces::step_data(char c) {
  if (is_space(c) || c == '<' || c == '>' || c == '"') {
    in_url_ = false;
    tail_.clear();
    if (c == '<') state_ = State::tag_open;
    return;
  }
  keep_tail(tail_, c);
  if (tail_.ends_with("://") || tail_.ends_with("mailto:")) in_url_ = true;
}

// Ends at `</` and the element's name, whatever stands between.
void HtmlPlaces::step_raw(char c) {
  keep_tail(tail_, c);
  if (c != '>' && c != '/' && !is_space(c)) return;
  if (raw_ == "plaintext" || !tail_.ends_with("</" + raw_ + to_lower(c))) return;
  tail_.clear();
  tag_ = raw_;
  is_end_tag_ = true;
  if (c == '>') return end_tag();
  state_ = State::before_attribute;
}

void HtmlPlaces::step_tag_open(char c) {
  if (is_alpha(c)) return begin_tag(c);
  const bool in_end_tag = state_ == State::end_tag_open;
  if (!in_end_tag && c == '/') {
    state_ = State::end_tag_open;
  } else if (!in_end_tag && c == '!') {
    state_ = State::declaration;
    tail_.clear();
  } else if (c == '?' || (in_end_tag && c != '>')) {
    state_ = State::bogus;
  } else {
    state_ = State::data;
    if (!in_end_tag) step_data(c);  // a lone `<` is text
  }
}

void HtmlPlaces::begin_tag(char c) {
  is_end_tag_ = state_ == State::end_tag_open;
  state_ = State::tag_name;
  tag_.clear();
  keep(tag_, c);
}

void HtmlPlaces::end_tag() {
  state_ = State::data;
  if (is_end_tag_ || !is_raw_element(tag_)) return;
  state_ = State::raw;
  raw_ = tag_;
  tail_.clear();
}

void HtmlPlaces::begin_attribute(char c) {
  state_ = State::attribute_name;
  attribute_.clear();
  keep(attribute_, c);
}

void HtmlPlaces::step_attribute(char c) {
  const bool named = state_ != State::before_attribute;
  if (c == '>') return end_tag();
  if (c == '/') {
    state_ = State::before_attribute;
  } else if (is_space(c)) {
    if (named) state_ = State::after_attribute_name;
  } else if (c == '=' && named) {
    state_ = State::before_value;
  } else if (state_ == State::attribute_name) {
    keep(attribute_, c);
  } else {
    begin_attribute(c);
  }
}

void HtmlPlaces::step_before_value(char c) {
  if (is_space(c)) return;
  if (c == '>') return end_tag();
  const bool quotes = c == '"' || c == '\'';
  state_ = quotes ? State::quoted : State::unquoted;
  quote_ = c;
  value_.clear();
  filled_ = false;
}

void HtmlPlaces::step_quoted(char c) {
  if (c == quote_) {
    state_ = State::before_attribute;
  } else if (!is_control(c) && !(c == ' ' && value_.empty())) {
    keep(value_, c);  // as browsers read a scheme: without controls and leading blanks
  }
}

// `<!-- ... -->`, or any other `<!...>` and `<?...>`.
void HtmlPlaces::step_comment(char c) {
  keep_tail(tail_, c);
  if (state_ == State::declaration) {
    if (tail_ == "-") return;
    state_ = tail_ == "--" ? State::comment : State::bogus;
    // `<!-->` and `<!--->` are whole comments: the dashes count for the end as well.
    if (state_ == State::comment) return;
  }
  const bool over =
      state_ == State::bogus ? c == '>' : tail_.ends_with("-->") || tail_.ends_with("--!>");
  if (!over) return;
  state_ = State::data;
  in_url_ = false;
  tail_.clear();
}

}  // namespace ml
