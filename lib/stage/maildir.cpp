#include "stage/maildir.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "base/diag.hpp"
#include "base/directory.hpp"
#include "base/fd.hpp"
#include "base/interruptions.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/message.hpp"

namespace ml {
namespace {

constexpr std::size_t most_at_once = 64;
constexpr std::size_t largest_head = std::size_t{256} << 10;
constexpr timespec pause{60, 0};

// The messages of a directory, the oldest name first.
Result<std::vector<std::string>> messages_in(const std::string& directory) {
  auto names = names_in(directory);
  if (!names) return names;
  std::erase_if(*names, [&](const std::string& name) {
    struct stat about{};
    const std::string path = fmt::format("{}/{}", directory, name);
    return name.starts_with('.') || lstat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode);
  });
  return names;
}

// Is it an address of a list here, of `list` alone if that is given? That list's own address is.
Result<bool> is_ours(const Intake& intake, const std::optional<std::string>& list,
                     std::string_view address) {
  const auto route = intake.route(address);
  if (!route) return fail(route);
  if (!*route) return false;
  return !list || ((*route)->list && (*route)->list->text() == *list);
}

// Who the last server delivered it to, as far as that is an address of ours; where there is none,
// `list`: to its owner and to its other roles goes what is for them.
Result<std::string> recipient_of(const Intake& intake, const std::optional<std::string>& list,
                                 std::string_view octets) {
  auto begin = octets_to_message(std::string(octets.substr(0, largest_head)));
  if (!begin) return fail(begin);
  const std::string_view block = top_block(split_message(begin->message).head);
  std::string first;
  for (const std::string_view name : {"Delivered-To", "X-Original-To", "Envelope-To"}) {
    const auto field = find_field(block, name);
    if (!field) continue;
    std::string address = unfolded(field->value);
    const auto ours = is_ours(intake, list, address);
    if (!ours) return fail(ours);
    if (*ours) return address;
    if (first.empty()) first = std::move(address);
  }
  if (list) return *list;
  if (!first.empty()) return first;
  return failure(Status::rejected,
                 "5.1.0 no Delivered-To, X-Original-To or Envelope-To says who it is for");
}

class Taker {
 public:
  Taker(Intake& intake, const MaildirOptions& options) : intake_(intake), options_(options) {}

  Result<> open() {
    if (access(path("new").c_str(), R_OK | W_OK | X_OK) != 0) {
      return system_failure(
          fmt::format("cannot use {}, which must be a Maildir with a new/ of ours",
                      options_.directory),
          errno);
    }
    if (auto made = make_directory(path("mlpipe")); !made) return made;
    auto lock = open_file(path("mlpipe"), O_RDONLY | O_DIRECTORY);
    if (!lock) return fail(lock);
    while (flock(lock->get(), LOCK_EX) != 0) {
      if (errno != EINTR) return system_failure("cannot lock " + path("mlpipe"), errno);
    }
    lock_ = std::move(*lock);
    return {};
  }

  [[nodiscard]] std::string path(std::string_view below) const {
    return fmt::format("{}/{}", options_.directory, below);
  }

  // Everything that is there: first what was ours already. True if none of it is left.
  Result<bool> take_all() {
    auto ours = messages_in(path("mlpipe"));
    if (!ours) return fail(ours);
    auto fresh = messages_in(path("new"));
    if (!fresh) return fail(fresh);
    bool all = true;
    for (auto* const names : {&*ours, &*fresh}) {
      for (std::size_t at = 0; at < names->size(); at += most_at_once) {
        const auto end = std::min(at + most_at_once, names->size());
        auto group = std::span(*names).subspan(at, end - at);
        auto done = take_group(group, names == &*fresh ? Claim::first : Claim::done);
        if (!done) return done;
        all = all && *done;
      }
    }
    return all;
  }

 private:
  // Of each that can be had: judged, all of them made durable together, then away with the files.
  enum class Claim { first, done };
  Result<bool> take_group(std::span<const std::string> names, Claim claiming) {
    bool all = true;
    std::vector<const std::string*> taken;
    for (const std::string& name : names) {
      if (claiming == Claim::first && !claim(name)) continue;
      const auto verdict = take(name);
      if (verdict) {
        taken.push_back(&name);
      } else if (verdict.error().status == Status::retry) {
        log(fmt::format("{}: {}", ours(name), verdict.error().text));
        all = false;
      } else if (auto moved = reject(name, verdict.error().text); !moved) {
        return fail(moved);
      }
    }
    if (taken.empty()) return all;
    if (auto safe = intake_.commit(); !safe) {
      log(safe.error().text);
      return false;
    }
    for (const std::string* const name : taken) remove(*name);
    return all;
  }

  [[nodiscard]] std::string ours(const std::string& name) const { return path("mlpipe/" + name); }

  // False where another reader was first.
  [[nodiscard]] bool claim(const std::string& name) const {
    return rename(path("new/" + name).c_str(), ours(name).c_str()) == 0;
  }

  Result<> take(const std::string& name) {
    auto file = open_file(ours(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) return fail(file);
    auto octets = read_all(file->get(), largest_message, ours(name));
    if (!octets) return fail(octets);
    auto recipient = recipient_of(intake_, options_.list, *octets);
    if (!recipient) return fail(recipient);
    return intake_.take(
        {.recipient = std::move(*recipient), .sender = {}, .octets = std::move(*octets)});
  }

  [[nodiscard]] Result<> make_folder(const std::string& folder) const {
    for (const char* const below : {"", "/tmp", "/new", "/cur"}) {
      if (auto made = make_directory(folder + below); !made) return made;
    }
    if (auto synced = sync_directory(folder); !synced) return synced;
    return sync_directory(options_.directory);
  }

  // Into a folder that every mail program can show (Maildir++).
  Result<> reject(const std::string& name, const std::string& reason) {
    const std::string folder = path(".rejected");
    if (auto made = make_folder(folder); !made) return made;
    const std::string draft = folder + "/tmp/" + name;
    if (auto written = copy_with_reason(name, draft, reason); !written) return written;
    const std::string place = folder + "/new/" + name;
    if (rename(draft.c_str(), place.c_str()) != 0) {
      return system_failure("cannot rename to " + place, errno);
    }
    if (auto synced = sync_directory(folder + "/new"); !synced) return synced;
    log(fmt::format("rejected to {}: {}", place, reason));
    remove(name);
    return {};
  }

  Result<> copy_with_reason(const std::string& name, const std::string& draft,
                            const std::string& reason) const {
    auto from = open_file(ours(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!from) return fail(from);
    auto to = open_file(draft, O_WRONLY | O_CREAT | O_TRUNC);
    if (!to) return fail(to);
    const std::string field = fmt::format("X-Mlpipe-Rejected: {}\n", printable(reason));
    if (auto written = write_all(*to, field, draft); !written) return written;
    std::array<char, 65536> room;
    for (;;) {
      auto got = read_some(from->get(), room, ours(name));
      if (!got) return fail(got);
      if (*got == 0) return sync(*to, draft);
      if (auto written = write_all(*to, {room.data(), *got}, draft); !written) return written;
    }
  }

  void remove(const std::string& name) const { unlink(ours(name).c_str()); }

  Intake& intake_;
  const MaildirOptions& options_;
  Fd lock_;
};

// Says when something came, when it is time to try again, and when to leave.
class Bell {
 public:
  static Result<Bell> hang(const std::string& directory) {
    Bell bell;
    bell.events_ = Fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    constexpr std::uint32_t arrivals = IN_CREATE | IN_MOVED_TO;
    if (inotify_add_watch(bell.events_.get(), directory.c_str(), arrivals | IN_ONLYDIR) < 0) {
      return system_failure("cannot watch " + directory, errno);
    }
    return bell;
  }

  // False when it is time to leave. `most`: null: for as long as it takes.
  Result<bool> wait(const timespec* most, const Interruptions& interruptions) {
    pollfd events{events_.get(), POLLIN, 0};
    interruptions.let_in();
    if (Interruptions::caught() != 0) return false;
    if (ppoll(&events, 1, most, &interruptions.while_asleep()) < 0 && errno != EINTR) {
      return system_failure("cannot wait", errno);
    }
    if (Interruptions::caught() != 0) return false;
    alignas(inotify_event) std::array<char, 16384> room;
    for (ssize_t got = 1; got > 0;) {
      got = read(events_.get(), room.data(), room.size());
      if (got > 0 && is_gone({room.data(), static_cast<std::size_t>(got)})) {
        return retry("the Maildir has been taken away");
      }
    }
    return true;
  }

 private:
  static bool is_gone(std::span<const char> events) {
    for (std::size_t at = 0; at < events.size();) {
      const auto* const event = reinterpret_cast<const inotify_event*>(events.data() + at);
      if ((event->mask & IN_IGNORED) != 0) return true;
      at += sizeof *event + event->len;
    }
    return false;
  }

  Fd events_;
};

}  // namespace

Result<Status> receive_maildir(Intake& intake, const MaildirOptions& options) {
  Taker taker(intake, options);
  if (auto opened = taker.open(); !opened) return fail(opened);
  if (options.watch == Watch::no) {
    const auto all = taker.take_all();
    if (!all) return fail(all);
    if (!*all)
      return retry("not everything could be taken: the rest is in {}", taker.path("mlpipe"));
    return Status::done;
  }
  const Interruptions interruptions;
  auto bell = Bell::hang(taker.path("new"));  // before the first look, so that nothing is missed
  if (!bell) return fail(bell);
  for (;;) {
    const auto all = taker.take_all();
    if (!all) return fail(all);
    const auto goes_on = bell->wait(*all ? nullptr : &pause, interruptions);
    if (!goes_on) return fail(goes_on);
    if (!*goes_on) return Status::done;
  }
}

}  // namespace ml
