#include "stage/import_given.hpp"

#include <string_view>

namespace ml {
namespace {

Failure bad_value(std::string_view option, std::string_view value, std::string_view wanted) {
  return failure(Status::usage, "{} takes {}, not '{}'", option, wanted, value);
}

}  // namespace

Result<BadRow> text_to_bad_row(const std::optional<std::string>& text) {
  if (!text || *text == "stop") return BadRow::stop;
  if (*text == "skip") return BadRow::skip;
  return bad_value("--bad", *text, "stop or skip");
}

Result<ImportRequest> given_to_request(const RowsGiven& given) {
  const auto bad = text_to_bad_row(given.bad);
  if (!bad) return fail(bad);
  ImportRequest request{.columns = given.columns, .rules = {}, .bad = *bad, .state = {}};
  request.rules.revive = given.revive ? Revive::yes : Revive::no;
  if (!given.state) return request;
  request.state = text_to_state(*given.state);
  if (request.state) return request;
  return bad_value("--state", *given.state,
                   "active, nomail, digest, bouncing, suspended or removed");
}

}  // namespace ml
