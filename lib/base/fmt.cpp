// The compiled half of fmt. Debian ships it as a shared library only; with it in our own library
// the filters can be linked statically, which halves what it costs a mail server to start one.
#include <fmt/format-inl.h>

namespace fmt::detail {

template auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template auto decimal_point_impl<char>(locale_ref) -> char;

}  // namespace fmt::detail
