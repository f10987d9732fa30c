#include "mail/charset.hpp"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <type_traits>

#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

struct Charset {
  std::string_view name;   // as mail says it, in lower case
  std::string_view iconv;  // what it means in practice: the superset that its writers used
};
constexpr std::array<Charset, 31> named{{
    {"latin1", "ISO-8859-1"},
    {"iso8859-1", "ISO-8859-1"},
    {"iso_8859-1", "ISO-8859-1"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"macintosh", "MACINTOSH"},
    {"cp437", "CP437"},
    {"cp850", "CP850"},
    {"cp852", "CP852"},
    {"cp866", "CP866"},
    {"ibm850", "CP850"},
    {"ibm866", "CP866"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"gb18030", "GB18030"},
    {"big5", "CP950"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"euc-jp", "EUC-JP"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"x-sjis", "CP932"},
    {"windows-31j", "CP932"},
    {"cp932", "CP932"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"ksc5601", "CP949"},
    {"cp949", "CP949"},
    {"tis-620", "TIS-620"},
    {"windows-874", "CP874"},
}};

// The name for iconv_open; empty: not one of ours.
std::string iconv_name(const std::string& name) {
  const auto numbered = [&](std::string_view prefix, unsigned low, unsigned high) {
    if (!name.starts_with(prefix)) return false;
    const auto which = number<unsigned>(std::string_view(name).substr(prefix.size()));
    return which && *which >= low && *which <= high;
  };
  if (numbered("iso-8859-", 1, 16)) return name;
  if (numbered("windows-", 1250, 1258)) return "cp" + name.substr(8);
  if (numbered("cp", 1250, 1258)) return name;
  const auto found = std::ranges::find(named, name, &Charset::name);
  return found == named.end() ? std::string() : std::string(found->iconv);
}

struct Close {
  void operator()(iconv_t converter) const { iconv_close(converter); }
};
using Converter = std::unique_ptr<std::remove_pointer_t<iconv_t>, Close>;

std::string convert(iconv_t converter, std::string_view octets) {
  std::string result;
  char* from = const_cast<char*>(octets.data());  // iconv's signature; it only reads
  std::size_t left = octets.size();
  std::array<char, 4096> room{};
  const auto step = [&](char** input, std::size_t* input_left) {
    char* to = room.data();
    std::size_t room_left = room.size();
    const bool stuck =
        iconv(converter, input, input_left, &to, &room_left) == static_cast<std::size_t>(-1);
    const int why = stuck ? errno : 0;
    result.append(room.data(), room.size() - room_left);
    return why;
  };
  while (left > 0) {
    const int why = step(&from, &left);
    if (why == 0 || why == E2BIG) continue;
    result.append(replacement);
    ++from;
    --left;
  }
  step(nullptr, nullptr);  // what a stateful charset still holds
  return result;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  return length <= text.size() && is_utf8(text.substr(0, length)) ? length : 1;
}

std::string clean_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string result;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    result.append(is_utf8(text.substr(0, length)) ? text.substr(0, length) : replacement);
    text.remove_prefix(length);
  }
  return result;
}

std::optional<std::string> charset_to_utf8(std::string_view charset, std::string_view octets) {
  const std::string name = lower(charset.substr(0, 64));
  if (name == "utf-8" || name == "utf8" || name == "us-ascii" || name == "ascii") {
    return clean_utf8(octets);
  }
  const std::string known = iconv_name(name);
  if (known.empty()) return std::nullopt;
  // iconv_open answers (iconv_t)-1, which no smart pointer may hold.
  const iconv_t opened = iconv_open("UTF-8", known.c_str());
  if (opened == reinterpret_cast<iconv_t>(-1)) return std::nullopt;
  const Converter converter(opened);
  return clean_utf8(convert(converter.get(), octets));
}

}  // namespace ml
