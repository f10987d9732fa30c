#include <array>

#include "base/diag.hpp"
#include "base/process.hpp"
#include "base/verbs.hpp"
#include "stage/list_verbs.hpp"

using namespace ml;

namespace {

constexpr std::array verbs{
    Verb{"create", list_verb::create, "LIST", "make a list, and the home if there is none"},
    Verb{"show", list_verb::show, "[LIST]", "tell of one list or of all"},
    Verb{"remove", list_verb::remove, "LIST", "take a list away with its subscribers"},
    Verb{"check", list_verb::check, "[LIST]", "look for what would keep mail from flowing"},
    Verb{"route", list_verb::route, "ADDRESS", "list, role and extension of an address"},
    Verb{"mta", list_verb::mta, "SERVER [LIST|DOMAIN]", "what a mail server must be told"}};

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-list"); !started) return leave(fail(started));
  return leave(run_verb({"ml-list", "Makes and minds lists.",
                         "ml-list create news@x.org --owner ann@example.org && "
                         "ml-list mta postfix"},
                        verbs, argc, argv));
}
