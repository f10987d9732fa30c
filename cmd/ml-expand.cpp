#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "stage/expand.hpp"

using namespace ml;

int main(int argc, char** argv) {
  if (auto started = start("ml-expand"); !started) return leave_unbegun(fail(started));

  ExpandOptions expansion;
  std::optional<std::string> bad;
  bool merge = false;
  Options options("ml-expand", "[OPTION...] [LIST...]",
                  "Adds recipients to each message of a stream, or to a bare message.",
                  "ml-expand --to people.csv --sender news@x.org <mail.eml | ml-verp | ml-send");
  options.many(expansion.to, "--to", "FILE", "people: text, CSV or TSV (repeatable)");
  options.many(expansion.exclude, "--exclude", "FILE", "people who get nothing (repeatable)");
  options.text(expansion.columns.column, "--column", "NAME", "the column with the address");
  options.many(expansion.columns.renames, "--rename", "COLUMN=NAME",
               "another name for a column (repeatable)");
  options.many(expansion.choice.states, "--state", "STATE", "only active, bouncing or digest");
  options.many(expansion.choice.tags, "--tag", "TAG", "only those with one of these tags");
  options.many(expansion.choice.where, "--where", "KEY=VALUE",
               "only where it holds; also KEY!=VALUE");
  options.text(expansion.choice.sample, "--sample", "SHARE", "only a share of them: 5%");
  options.text(expansion.choice.shard, "--shard", "K/N", "only those that are host K's of N");
  options.text(bad, "--bad", "skip", "go on without bad rows of the files, naming them");
  options.flag(merge, "--merge", "fill {{key}} and {{key|default}} for each recipient");
  options.text(expansion.sender, "--sender", "ADDRESS",
               "the envelope sender; empty or <>: the null sender");
  options.text(expansion.id, "--id", "NAME", "the id of a bare message");
  options.text(expansion.home, "--home", "DIRECTORY", "the home of the lists");
  options.operands(expansion.lists, "LIST");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);

  if (bad && *bad != "skip") return leave_unbegun(retry("--bad takes skip, not '{}'", *bad));
  if (bad) expansion.on_bad_row = OnBadRow::skip;
  if (merge) expansion.merge = Merge::yes;
  Writer out(1);
  return leave(expand(expansion, 0, out));
}
