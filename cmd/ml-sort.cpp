#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/diag.hpp"
#include "base/digest.hpp"
#include "base/home.hpp"
#include "base/options.hpp"
#include "base/process.hpp"
#include "list/settings.hpp"
#include "stage/sort.hpp"

using namespace ml;

namespace {

// --tmp or TMPDIR alone if given; else the home, if it may be written to, else /var/tmp.
std::vector<std::string> temporary_directories(const std::optional<std::string>& tmp,
                                               const std::optional<std::string>& home) {
  if (tmp) return {*tmp};
  if (const char* const set = std::getenv("TMPDIR"); set != nullptr && *set != '\0') return {set};
  return {home_directory(home), "/var/tmp"};
}

}  // namespace

int main(int argc, char** argv) {
  if (auto started = start("ml-sort"); !started) return leave_unbegun(fail(started));

  std::optional<std::string> by;
  std::optional<std::string> tmp;
  std::optional<std::string> home;
  std::optional<std::uint64_t> memory;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> resolver;
  std::optional<std::uint64_t> max_wait;
  Options options(
      "ml-sort", "[OPTION...]", "Orders the recipients of each section of a stream.",
      "ml-expand --to people.csv --sender a@x.org <mail.eml | ml-sort | ml-verp | ml-send");
  options.text(by, "--by", "ORDER", "domain (default), fair, mx, pace or random");
  options.size(memory, "--memory", "SIZE", "memory to sort in (64M); beyond it, temporary files");
  options.number(seed, "--seed", "NUMBER", "random: the same number gives the same order");
  options.text(tmp, "--tmp", "DIRECTORY", "where temporary files go (TMPDIR, the home, /var/tmp)");
  options.text(home, "--home", "DIRECTORY", "pace: its journals; mx: answers are kept (ML_HOME)");
  options.text(resolver, "--resolver", "SERVER", "mx: whom to ask (/etc/resolv.conf)");
  options.number(max_wait, "--max-wait", "SECONDS", "mx: the most that DNS may take (30)");
  auto read = options.read(argc, argv);
  if (!read) return leave_unbegun(fail(read));
  if (*read) return leave(**read);

  const auto order = text_to_order(by.value_or("domain"));
  if (!order)
    return leave_unbegun(retry("--by takes domain, fair, mx, pace or random, not '{}'", *by));
  const auto site = site_settings(home);
  if (!site) return leave_unbegun(fail(site));
  const auto site_memory = site->size("memory");
  if (!site_memory) return leave_unbegun(fail(site_memory));
  if (!memory) memory = *site_memory;
  if (!resolver) resolver = site->text("resolver");

  Reader in(0);
  Writer out(1);
  return leave(sort(
      in, out,
      {.order = *order,
       .memory = memory.value_or(std::size_t{64} << 20),
       .seed = seed ? *seed : random_number(),
       .directories = temporary_directories(tmp, home),
       .home = home,
       .resolver = resolver.value_or(""),
       .max_wait = std::chrono::seconds(std::min<std::uint64_t>(max_wait.value_or(30), 86'400))}));
}
