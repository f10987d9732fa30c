// Where in HTML something stands: what of it a browser would take for text, for the value of an
// attribute, for a script. The tokenizer of the HTML standard (13.2.5), as much as that needs.
//
//   HtmlPlaces html;
//   html.pass("<a href=\"https://x.org/?e=");
//   html.place()  ->  HtmlPlace::url           what is put here must be percent-encoded
#pragma once

#include <string>
#include <string_view>

namespace ml {

enum class HtmlPlace {
  text,       // between tags, in a title or a textarea
  attribute,  // the quoted value of an attribute
  whole_url,  // the beginning of a quoted href, src, ...
  url,        // later in such a value, behind a harmless scheme; or in a URL in the text
  script,     // script, style, an on... attribute, or a javascript: URL
  unquoted,   // an attribute's value without quotes
  markup,     // a tag's or an attribute's name
  comment,
};

class HtmlPlaces {
 public:
  // Goes over the next octets of the document.
  void pass(std::string_view html);
  // What stands here; something harmless is then put here.
  HtmlPlace place();

 private:
  enum class State {
    data,
    raw,
    tag_open,
    end_tag_open,
    tag_name,
    before_attribute,
    attribute_name,
    after_attribute_name,
    before_value,
    quoted,
    unquoted,
    declaration,
    comment,
    bogus
  };

  void step(char c);
  void step_data(char c);
  void step_raw(char c);
  void step_tag_open(char c);
  void step_attribute(char c);
  void step_before_value(char c);
  void step_quoted(char c);
  void step_comment(char c);
  void begin_tag(char c);
  void end_tag();
  void begin_attribute(char c);
  [[nodiscard]] HtmlPlace url_place() const;

  State state_ = State::data;
  std::string tag_;        // its first letters, lower case
  std::string attribute_;  // the same
  std::string raw_;        // the element whose end is looked for
  std::string tail_;       // the last octets of a raw text or comment, or of the word in a text
  std::string value_;      // the first octets of an attribute's value
  char quote_ = 0;
  bool is_end_tag_ = false;
  bool filled_ = false;  // something was put into this value
  bool in_url_ = false;  // the word in the text is a URL
};

}  // namespace ml
