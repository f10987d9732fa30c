#include "mail/rfc2047.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "mail/charset.hpp"
#include "mail/header.hpp"
#include "mail/transfer.hpp"

namespace ml {
namespace {

constexpr std::size_t widest_line = 76;
constexpr std::size_t widest_word = 75;     // RFC 2047 section 2
constexpr std::size_t longest_ascii = 900;  // longer runs without a blank must be encoded to fold
constexpr std::size_t longest_gap = 64;
constexpr std::string_view b_start = "=?utf-8?b?";
constexpr std::string_view q_start = "=?utf-8?q?";
constexpr std::string_view word_end = "?=";

struct EncodedWord {
  std::string_view charset;
  char encoding = 0;  // b or q
  std::string_view text;
  std::size_t length = 0;  // of the whole word
};

// The encoded word that `text` begins with. Each part ends at a '?', so that nothing is looked at
// twice more than a few times, whatever the text.
std::optional<EncodedWord> first_word(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  EncodedWord word;
  const auto charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size()) return std::nullopt;
  word.charset = text.substr(2, charset_end - 2);
  word.charset = word.charset.substr(0, word.charset.find('*'));  // RFC 2231: a language behind it
  word.encoding = to_lower(text[charset_end + 1]);
  if (text[charset_end + 2] != '?' || (word.encoding != 'b' && word.encoding != 'q')) {
    return std::nullopt;
  }
  const std::size_t begin = charset_end + 3;
  const auto end = text.find('?', begin);
  if (end == std::string_view::npos || end + 1 >= text.size() || text[end + 1] != '=') {
    return std::nullopt;
  }
  word.text = text.substr(begin, end - begin);
  word.length = end + 2;
  return word;
}

std::string word_octets(const EncodedWord& word) {
  if (word.encoding == 'b') return base64_text_to_octets(word.text);
  std::string spaced(word.text);
  std::ranges::replace(spaced, '_', ' ');
  spaced += '.';  // not a line's end, where blanks and a last '=' would mean something else
  std::string octets = quoted_printable_to_octets(spaced);
  octets.pop_back();
  return octets;
}

// Neighbouring words of one charset are one run of octets: writers cut characters in two.
class Decoder {
 public:
  void word(const EncodedWord& word, std::string_view raw) {
    const std::string gap = std::exchange(gap_, {});
    if (!in_run_ || !same_nocase(charset_, word.charset)) {
      if (!end_run()) result_.append(gap);
      charset_ = word.charset;
      in_run_ = true;
    } else {
      raw_.append(gap);
    }
    raw_.append(raw);
    octets_.append(word_octets(word));
  }

  void text(std::string_view text) {
    const bool blank = std::ranges::all_of(text, is_blank);
    if (blank && in_run_) {
      gap_ = text;
      return;
    }
    end_run();
    result_.append(text);
  }

  std::string finish() {
    end_run();
    std::string result = clean_utf8(result_);
    std::ranges::replace_if(result, is_control, ' ');
    return result;
  }

 private:
  // False if the run's words had to stay as they were.
  bool end_run() {
    const auto decoded = in_run_ ? charset_to_utf8(charset_, octets_) : std::string();
    result_.append(decoded ? *decoded : raw_).append(gap_);
    in_run_ = false;
    gap_.clear();
    octets_.clear();
    raw_.clear();
    return decoded.has_value();
  }

  std::string result_;
  bool in_run_ = false;
  std::string_view charset_;
  std::string octets_;
  std::string raw_;
  std::string gap_;
};

// --- encoding ---

bool must_encode(std::string_view word) {
  return !is_ascii(word) || word.find("=?") != std::string_view::npos ||
         word.size() > longest_ascii;
}

// Letters and digits alone: right in a phrase as well as in text.
bool stands_in_q(char c) {
  return is_alnum(c) || c == ' ';
}

std::size_t q_size(std::string_view text) {
  std::size_t size = 0;
  for (const char c : text) size += stands_in_q(c) ? 1U : 3U;
  return size;
}

void append_q(std::string& to, std::string_view text) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == ' ') {
      to.push_back('_');
    } else if (stands_in_q(c)) {
      to.push_back(c);
    } else {
      to.push_back('=');
      to.push_back(hex[octet >> 4]);
      to.push_back(hex[octet & 15]);
    }
  }
}

// Appends to a value, knowing how long its line is.
class Folder {
 public:
  Folder(std::string& to, std::size_t column) : to_(to), column_(column) {}

  // A word as it is, on a new line where this one is full and a blank allows it.
  void put(std::string_view gap, std::string_view word) {
    if (!gap.empty() && column_ + gap.size() + word.size() > widest_line) fold();
    append(gap);
    append(word);
  }

  void put_encoded(std::string_view gap, std::string_view text) {
    // People can read words that are letters for the most part.
    const bool q = q_size(text) <= 2 * text.size();
    if (!gap.empty() && column_ + gap.size() + least_room > widest_line) fold();
    append(gap);
    while (!text.empty()) {
      const std::size_t taken = fitting(text, q);
      if (q) {
        append(q_start);
        const std::size_t before = to_.size();
        append_q(to_, text.substr(0, taken));
        column_ += to_.size() - before;
      } else {
        append(b_start);
        const std::size_t before = to_.size();
        append_base64(to_, text.substr(0, taken));
        column_ += to_.size() - before;
      }
      append(word_end);
      text.remove_prefix(taken);
      if (!text.empty()) {
        fold();
        append(" ");
      }
    }
  }

 private:
  static constexpr std::size_t least_room = q_start.size() + 12 + word_end.size();

  void append(std::string_view text) {
    to_.append(text);
    column_ += text.size();
  }
  void fold() {
    to_.push_back('\n');
    column_ = 0;
  }

  // How much of the text one encoded word can hold, in whole characters; at least one.
  std::size_t fitting(std::string_view text, bool q) const {
    const std::size_t line = column_ + least_room > widest_line ? 0 : column_;
    const std::size_t room =
        std::min(widest_word, widest_line - line) - q_start.size() - word_end.size();
    std::size_t taken = 0;
    for (std::size_t used = 0; taken < text.size();) {
      const std::size_t length = utf8_length(text.substr(taken));
      used += q ? q_size(text.substr(taken, length)) : length;
      if (taken > 0 && (q ? used : (used + 2) / 3 * 4) > room) break;
      taken += length;
    }
    return taken;
  }

  std::string& to_;
  std::size_t column_;
};

std::string cleaned(std::string_view text) {
  std::string result = clean_utf8(text);
  std::ranges::replace_if(result, is_control, ' ');
  return std::string(trim(result));
}

// A text's words, each with the blanks before it; of very many only the first, or the line would
// pass its limit.
struct Word {
  std::string_view gap;
  std::string_view word;
};
Word take_word(std::string_view& rest) {
  const auto begin = std::min(rest.find_first_not_of(' '), rest.size());
  const auto end = std::min(rest.find(' ', begin), rest.size());
  const std::string_view gap = rest.substr(0, begin > longest_gap ? 1 : begin);
  const Word word{gap, rest.substr(begin, end - begin)};
  rest.remove_prefix(end);
  return word;
}

// From `first` to the last of the words behind it that must be encoded as well.
std::string_view encoded_run(std::string_view first, std::string_view rest) {
  const char* end = first.data() + first.size();
  while (!rest.empty()) {
    const Word next = take_word(rest);
    if (next.word.empty() || !must_encode(next.word)) break;
    end = next.word.data() + next.word.size();
  }
  return {first.data(), static_cast<std::size_t>(end - first.data())};
}

bool is_atoms(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return is_alnum(c) || c == ' ' ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string decode_words(std::string_view value) {
  const std::string line = unfolded(value);
  Decoder decoder;
  for (std::string_view rest = line; !rest.empty();) {
    if (const auto word = first_word(rest)) {
      decoder.word(*word, rest.substr(0, word->length));
      rest.remove_prefix(word->length);
      continue;
    }
    const auto next = std::min(rest.find("=?", 1), rest.size());
    decoder.text(rest.substr(0, next));
    rest.remove_prefix(next);
  }
  return decoder.finish();
}

void append_encoded_text(std::string& to, std::string_view text, std::size_t column) {
  const std::string line = cleaned(text);
  Folder folder(to, column);
  for (std::string_view rest = line; !rest.empty();) {
    const Word next = take_word(rest);
    if (!must_encode(next.word)) {
      folder.put(next.gap, next.word);
      continue;
    }
    const std::string_view run = encoded_run(next.word, rest);
    folder.put_encoded(next.gap, run);
    rest.remove_prefix(run.size() - next.word.size());
  }
}

void append_encoded_phrase(std::string& to, std::string_view text, std::size_t column) {
  const std::string line = cleaned(text);
  Folder folder(to, column);
  if (must_encode(line) || line.size() > widest_line - 12) return folder.put_encoded("", line);
  if (is_atoms(line)) return folder.put("", line);
  std::string quoted = "\"";
  for (const char c : line) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  folder.put("", quoted + '"');
}

std::string encode_text(std::string_view text, std::size_t column) {
  std::string result;
  append_encoded_text(result, text, column);
  return result;
}

std::string encode_phrase(std::string_view text, std::size_t column) {
  std::string result;
  append_encoded_phrase(result, text, column);
  return result;
}

}  // namespace ml
