#include "base/result.hpp"

#include <cerrno>
#include <cstring>

namespace ml {

Failure system_failure(std::string_view doing, int code) {
  if (code == EPIPE) return Failure(Error{Status::retry, {}});
  return retry("{}: {}", doing, strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error");
}

}  // namespace ml
