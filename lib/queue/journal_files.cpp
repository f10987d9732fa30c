#include "queue/journal_files.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <span>
#include <utility>

#include "base/directory.hpp"
#include "base/interruptions.hpp"
#include "base/text.hpp"

namespace ml {
namespace {

constexpr std::size_t largest_mark = 4096;

// For those who only look whether a journal is in use, or prune it, and hold its lock meanwhile.
constexpr std::chrono::milliseconds a_look(200);

std::string hex(std::span<const std::uint8_t> octets) {
  std::string text;
  for (const std::uint8_t octet : octets) {
    fmt::format_to(std::back_inserter(text), "{:02x}", octet);
  }
  return text;
}

// What comes from a message keeps to its line.
std::string or_dash(std::string_view text) {
  constexpr std::size_t longest = 1000;
  return text.empty() ? "-" : printable(text, longest);
}

// Whole or not there: written beside, synced, renamed, its directory synced.
Result<> place_file(const std::string& directory, const std::string& name, std::string_view text) {
  const std::string draft = directory + "/." + name;
  auto file = open_file(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
  if (!file) return fail(file);
  if (auto written = write_all(*file, text, draft); !written) return fail(written);
  if (auto synced = sync(*file, draft); !synced) return fail(synced);
  const std::string path = directory + '/' + name;
  if (rename(draft.c_str(), path.c_str()) != 0) {
    return system_failure("cannot rename " + draft, errno);
  }
  return sync_directory(directory);
}

// ---- parts

// The N of "K/N"; 0 of an empty text, which is the whole; nothing of any other.
std::optional<unsigned> parts_of(std::string_view part) {
  if (part.empty() || part == "-") return 0;
  const auto slash = part.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto k = number<unsigned>(part.substr(0, slash));
  const auto n = number<unsigned>(part.substr(slash + 1));
  if (!k || !n || *k < 1 || *k > *n) return std::nullopt;
  return n;
}

// Heads of one id are looked over and made by one process at a time.
Result<Fd> lock_directory(const std::string& directory) {
  auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
  while (fd && flock(fd->get(), LOCK_EX) != 0) {
    if (errno != EINTR) return system_failure("cannot lock " + directory, errno);
  }
  return fd;
}

// Whoever shares a message out otherwise would reach somebody twice.
Result<> check_parts(const std::string& hashed, const JournalTerms& terms, unsigned parts) {
  const auto names = names_in(hashed);
  if (!names) return fail(names);
  for (const std::string& name : *names) {
    if (!name.starts_with(terms.id) || name.find('~') != std::string::npos) continue;
    const auto head = read_fields(fmt::format("{}/{}/head", hashed, name));
    if (!head || !*head || (*head)->value("id") != terms.id) continue;
    const std::string_view there = (*head)->value("part");
    if (parts_of(there) == parts) continue;
    return retry("{} was begun as {}: send {} as it was shared out then", terms.id,
                 there == "-" ? "a whole" : fmt::format("part {}", there),
                 parts == 0 ? "it" : fmt::format("part {}", terms.part));
  }
  return {};
}

// ---- the head

Result<JournalHead> make_head(const std::string& directory, const JournalTerms& terms,
                              std::int64_t now) {
  JournalHead head;
  random_octets(head.key);
  head.begun = now;
  auto placed = place_file(
      directory, "head",
      fmt::format("{}\nid {}\npart {}\nlist {}\nmessage-id {}\nmessage {}\nkey {}\nbegun {}\n",
                  journal_format, terms.id, or_dash(terms.part), or_dash(terms.list),
                  or_dash(terms.message_id), terms.message ? hex(*terms.message) : "-",
                  hex(head.key), now));
  if (!placed) return fail(placed);
  return head;
}

JournalHead damaged_head(const std::string& directory, const JournalTerms& terms) {
  JournalHead head;
  head.damage = fmt::format(
      "{0}/head is damaged, and nobody knows who has {1} (rename {0} to send it to all anew)",
      directory, terms.id);
  return head;
}

std::optional<SipKey> hex_to_key(std::string_view text) {
  SipKey key{};
  if (text.size() != 2 * key.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char* const octet = &text[2 * i];
    if (std::from_chars(octet, octet + 2, key[i], 16).ptr != octet + 2) return std::nullopt;
  }
  return key;
}

// Nothing: it is of another message.
Result<std::optional<JournalHead>> read_head(const std::string& directory,
                                             const JournalTerms& terms) {
  const auto fields = read_fields(directory + "/head");
  if (!fields) return fail(fields);
  if (!*fields) return damaged_head(directory, terms);
  const HeadFields& all = **fields;
  const auto key = hex_to_key(all.value("key"));
  const auto begun = number<std::int64_t>(all.value("begun"));
  if (!key || !begun) return damaged_head(directory, terms);
  const bool is_its = all.value("id") == terms.id &&
                      (!terms.message || all.value("message") == hex(*terms.message));
  if (!is_its) return std::nullopt;
  JournalHead head;
  head.key = *key;
  head.begun = *begun;
  return head;
}

// ---- the lock

using Clock = std::chrono::steady_clock;

bool is_locked_now(const Fd& file) {
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

// Sleeps while another has it, and no signal comes. Whoever lets it go closes it then; it is
// watched before it is tried again, so that no end is missed. True too where the file was taken
// away: then there is nothing to wait for.
bool lock_until(Clock::time_point latest, const Fd& file, const std::string& path) {
  if (is_locked_now(file)) return true;
  if (Clock::now() >= latest) return false;
  const Fd closings(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const bool is_watched = inotify_add_watch(closings.get(), path.c_str(), IN_CLOSE) >= 0;
  if (!is_same_file(file, path)) return true;
  if (!is_watched) return false;
  while (!is_locked_now(file)) {
    const auto left = latest - Clock::now();
    if (left.count() <= 0 || Interruptions::caught() != 0) return false;
    pollfd watched{closings.get(), POLLIN, 0};
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(left);
    const timespec patience{whole.count() / 1000, whole.count() % 1000 * 1'000'000};
    ppoll(&watched, 1, &patience, Interruptions::mask_of_sleep());
    alignas(inotify_event) std::array<char, 4096> room;
    static_cast<void>(!read(closings.get(), room.data(), room.size()));
  }
  return true;
}

}  // namespace

// A lock file that was taken away meanwhile is not the lock.
Result<JournalLock> lock_journal(const std::string& directory, std::string_view id,
                                 std::chrono::seconds wait) {
  const std::string path = directory + "/lock";
  const auto latest = Clock::now() + std::max<std::chrono::milliseconds>(wait, a_look);
  for (;;) {
    auto file = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW);
    if (!file) return fail(file);
    if (!lock_until(latest, *file, path)) {
      const auto pid = read_file(path, 64);
      const std::string who(pid && !pid->empty() ? trim(*pid) : "?");
      if (Interruptions::caught() != 0) {
        return retry("told to stop while process {} is sending {}", who, id);
      }
      return retry("process {} is sending {} just now: one at a time", who, id);
    }
    if (!is_same_file(*file, path)) continue;
    if (ftruncate(file->get(), 0) != 0) return system_failure("cannot write " + path, errno);
    const std::string pid = fmt::format("{}\n", getpid());
    if (auto written = write_all(*file, pid, path); !written) return fail(written);
    return JournalLock(std::move(*file));
  }
}

Result<JournalHead> open_head(const Home& home, const JournalTerms& terms, std::int64_t now) {
  const auto parts = parts_of(terms.part);
  if (!parts) return retry("part={}: not of the form K/N, as 2/4", printable(terms.part, 40));
  const std::string directory = home.path(journal_path(terms.id, terms.part));
  if (exists(directory + "/head")) {
    const auto head = read_head(directory, terms);
    if (!head) return fail(head);
    if (*head && !(*head)->damage.empty()) return retry("{}", (*head)->damage);
    if (*head) return **head;
    return retry("another message was sent under the id {}: give this one a name of its own (--id)",
                 terms.id);
  }
  const std::string hashed = directory_of(directory);
  auto lock = lock_directory(hashed);
  if (!lock) return fail(lock);
  if (auto checked = check_parts(hashed, terms, *parts); !checked) return fail(checked);
  return make_head(directory, terms, now);
}

Result<std::optional<JournalHead>> find_head(const std::string& directory,
                                             const JournalTerms& terms) {
  if (!exists(directory + "/head")) return std::nullopt;
  return read_head(directory, terms);
}

// ---- totals and marks

Result<std::optional<Closed>> read_closed(const std::string& directory) {
  const std::string path = directory + "/closed";
  if (!exists(path)) return std::nullopt;
  const auto fields = read_fields(path);
  if (!fields) return fail(fields);
  if (!*fields) return retry("{} is damaged", path);
  const auto count = [&](std::string_view name) {
    return number<std::uint64_t>((*fields)->value(name)).value_or(0);
  };
  return Closed{static_cast<std::int64_t>(count("time")),
                {count("delivered"), count("refused"), count("left")}};
}

Result<> write_closed(const std::string& directory, const Closed& closed) {
  return place_file(
      directory, "closed",
      fmt::format("{}\ntime {}\ndelivered {}\nrefused {}\nleft {}\n", journal_format, closed.time,
                  closed.totals.delivered, closed.totals.refused, closed.totals.left));
}

Result<> remove_closed(const std::string& directory) {
  const std::string path = directory + "/closed";
  if (unlink(path.c_str()) != 0) return system_failure("cannot remove " + path, errno);
  return sync_directory(directory);
}

Result<std::string> read_mark(const std::string& directory) {
  const std::string path = directory + "/entry";
  if (!exists(path)) return std::string();
  auto text = read_file(path, largest_mark);
  if (!text) return fail(text);
  return std::string(trim(*text));
}

Result<> write_mark(const std::string& directory, std::string_view mark) {
  return place_file(directory, "entry", fmt::format("{}\n", mark));
}

}  // namespace ml
