#include <array>

#include "base/diag.hpp"
#include "base/process.hpp"
#include "base/verbs.hpp"
#include "stage/store_verbs.hpp"

using namespace ml;

namespace {

constexpr std::array verbs{
    Verb{"import", store_verb::import_list, "LIST [FILE]", "add and change, from text, CSV, TSV"},
    Verb{"export", store_verb::export_list, "LIST", "the list as TSV"},
    Verb{"add", store_verb::add, "LIST ADDRESS... | LIST -", "add subscribers"},
    Verb{"remove", store_verb::remove, "LIST ADDRESS... | LIST -", "remove subscribers"},
    Verb{"set", store_verb::set, "LIST ADDRESS KEY=VALUE...", "state, name, tags, attributes"},
    Verb{"show", store_verb::show, "[LIST] ADDRESS", "what is known of a subscriber"},
    Verb{"count", store_verb::count, "LIST", "how many are due, how many there are"},
    Verb{"suppress", store_verb::suppress, "ADDRESS [REASON]", "no list mails this address"},
    Verb{"unsuppress", store_verb::unsuppress, "ADDRESS", "lists mail it again"},
    Verb{"suppressed", store_verb::suppressed, "", "whom no list mails"},
    Verb{"check", store_verb::check, "", "look for damage"},
    Verb{"copy", store_verb::copy, "DIR", "copy the store while it is in use"}};

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-store"); !started) return leave(fail(started));
  return leave(run_verb({"ml-store", "The subscribers of the lists.",
                         "ml-store export news@x.org | grep @example.com | cut -f1 | "
                         "ml-store remove news@x.org -"},
                        verbs, argc, argv));
}
