#include "stage/run.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "base/home.hpp"
#include "base/text.hpp"
#include "list/pipeline.hpp"
#include "list/settings.hpp"
#include "mail/message.hpp"
#include "mail/mime.hpp"
#include "stage/intake.hpp"
#include "stage/mta.hpp"
#include "stage/section_role.hpp"
#include "stage/stages.hpp"
#include "stream/reader.hpp"

namespace ml {
namespace {

// Whom the message is for, as far as it has been found out.
struct Addressee {
  Route route;
  std::string recipient;
};

// The first of the recipients that is a list's.
Result<Addressee> addressee_of_envelope(const Intake& intake, const RunTask& task) {
  for (const std::string& recipient : task.recipients) {
    auto route = intake.route(recipient);
    if (!route) return fail(route);
    if (*route) return Addressee{std::move(**route), recipient};
  }
  if (task.recipients.empty()) {
    return retry(
        "neither the command line nor the environment says whom the message is for "
        "(ml-run LIST [ROLE], or ml-run --sender SENDER -- RECIPIENT)");
  }
  return failure(Status::rejected, "5.1.1 no such list: {}",
                 printable(task.recipients.front(), 320));
}

// What the operator named. A recipient of the envelope says more where it agrees: a bounce address
// names the subscriber. One of the list's also says the role, where the operator did not: a mail
// server may hand the mail of news-owner to the alias of news.
Result<Addressee> addressee_of_operands(const Home& home, const Intake& intake,
                                        const RunTask& task) {
  auto list = find_list_name(home, *task.list);
  if (!list) return fail(list);
  const auto role = text_to_role(task.role.value_or("post"));
  if (!role) {
    return retry("'{}' is no role: post, bounces, owner, request, subscribe, unsubscribe, confirm",
                 printable(*task.role, 40));
  }
  for (const std::string& recipient : task.recipients) {
    auto route = intake.route(recipient);
    if (!route) return fail(route);
    const bool is_ours = *route && (*route)->list == *list;
    if (is_ours && (!task.role || (*route)->role == *role)) {
      return Addressee{std::move(**route), recipient};
    }
  }
  std::string recipient = list->address(*role);
  const auto there = intake.route(recipient);
  if (!there) return fail(there);
  if (!*there) {
    return retry("{0}: no such list (make it with: ml-list create {0})", list->text());
  }
  return Addressee{{std::move(*list), *role, {}}, std::move(recipient)};
}

// All of it, to its end, so that the mail server never writes to a closed pipe; of a bounce as much
// is kept as is ever looked at.
Result<std::string> read_message(int input, Role role) {
  const std::size_t most = role == Role::bounces ? longest_mime_text : largest_message;
  std::string text;
  std::array<char, 65536> room;
  for (;;) {
    const auto got = read_some(input, room, "standard input");
    if (!got) return fail(got);
    if (*got == 0) break;
    if (text.size() <= most) text.append(room.data(), *got);
  }
  if (role == Role::bounces || text.size() <= most) return text;
  return failure(Status::rejected, "5.3.4 message too big: more than {} octets are not taken here",
                 most);
}

// --- an entry of a queue

// How an entry goes on.
struct Way {
  Stages stages;
  std::string list;
  std::string role;
  std::string recipient;
  std::optional<std::string> sender;
  std::optional<std::string> message;  // what the first stage reads instead of the entry
};

Result<Settings> settings_of(const Home& home, const std::string& list) {
  if (list.empty()) return load_settings(home, nullptr);
  const auto name = text_to_list_name(list);
  if (!name) return fail(name);
  return load_settings(home, &*name);
}

// The role whose pipeline an entry of a queue goes through: the queue's name, unless it says so.
// Those of outbound and bounces are past their role's: left and refused recipients of any.
Result<Way> way_of(const Home& home, std::string_view queue, const MessageRecord& record) {
  const Attributes& said = record.attributes;
  Way way;
  way.list = said.value("list").value_or("");
  const auto settings = settings_of(home, way.list);
  if (!settings) return fail(settings);
  const auto raw = said.value(raw_attribute);
  const bool is_past = queue == "outbound" || queue == "bounces";
  const auto received = is_past ? std::nullopt : said.value(received_attribute);
  way.role = raw ? *raw : received.value_or(std::string(queue));
  way.sender = said.value("author");
  way.stages = pipeline_of(*settings, way.role);
  if (raw) {
    way.recipient = said.value("ml.recipient").value_or("");
    auto message = decoded_message(record);
    if (!message) return fail(message);
    way.message = std::move(*message);
  } else {
    way.stages = split_pipeline(std::move(way.stages)).after;
  }
  if (!way.stages.empty()) return way;
  return retry("nothing takes the mail of {} for {}: [pipeline] {} of its settings has no stage",
               way.role, way.list.empty() ? "no list" : way.list, way.role);
}

// Octets in a file; nothing of a pipe or a terminal.
std::optional<off_t> size_of(const Fd& output) {
  struct stat about{};
  if (fstat(output.get(), &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
  return about.st_size;
}

// What a runner gives as output is a file. If the last stage left a stream with a message there,
// behind the `before` octets that it had, nobody reads that: it is cut off again, so that the entry
// stays as it is, and this is true.
bool take_back_stream(const Fd& output, off_t before) {
  const auto now = size_of(output);
  if (!now || *now <= before || lseek(output.get(), before, SEEK_SET) != before) return false;
  Reader in(output.get());
  Record record = in.next();
  while (record != Record::none && record != Record::message) record = in.next();
  const bool is_stream = record == Record::message;
  if (is_stream && ftruncate(output.get(), before) == 0) lseek(output.get(), before, SEEK_SET);
  if (!is_stream) lseek(output.get(), 0, SEEK_END);
  return is_stream;
}

// Its streams are of those refused or left, not of a message that nobody has. Of a line for the
// shell it may be any word.
bool is_sender(const std::vector<std::string>& argv) {
  constexpr std::string_view name = "ml-send";
  if (const auto line = shell_line(argv)) return line->find(name) != std::string_view::npos;
  return std::string_view(argv.front()).substr(argv.front().rfind('/') + 1) == name;
}

Result<Status> run_way(const Home& home, const Way& way, const Fd& input, const Fd& output) {
  const auto programs = program_directory();
  if (!programs) return fail(programs);
  std::vector<std::vector<std::string>> argvs;
  for (const std::string& stage : way.stages) {
    argvs.push_back(stage_to_argv(stage, {*programs, way.list}));
  }
  StageMail mail{way.list, way.role, way.recipient, {}, {}};
  if (way.sender) mail.sender = *way.sender;
  const auto before = size_of(output);
  const auto ending =
      run_stages(argvs, stage_environment(*programs, home.directory(), mail), {input, output});
  if (!ending) return fail(ending);
  if (ending->status != Status::done) {
    return Failure(Error{ending->status, ending->why});  // no why: the stage has said it
  }
  if (!before || is_sender(argvs.back())) return Status::done;
  if (!take_back_stream(output, *before)) return Status::done;
  return retry(
      "'{}' at the end of [pipeline] {} delivers nothing, and nobody has the message: "
      "put ml-send behind it",
      printable(way.stages.back(), 80), way.role);
}

}  // namespace

Result<Status> run(const RunTask& task, int input) {
  const auto home = open_home(task.home, Create::no);
  if (!home) return fail(home);
  auto intake = Intake::open(*home);
  if (!intake) return fail(intake);
  auto addressee = task.list ? addressee_of_operands(*home, *intake, task)
                             : addressee_of_envelope(*intake, task);
  if (!addressee) return fail(addressee);
  auto octets = read_message(input, addressee->route.role);
  if (!octets) return fail(octets);
  if (octets->empty()) return retry("the input is empty: no message came");
  auto taken = intake->take(std::move(addressee->route),
                            {std::move(addressee->recipient), task.sender, std::move(*octets)});
  if (!taken) return fail(taken);
  if (auto safe = intake->commit(); !safe) return fail(safe);
  return Status::done;
}

Result<Status> run_entry(const std::optional<std::string>& home_name, std::string_view queue,
                         const Fd& input, const Fd& output) {
  const auto home = open_home(home_name, Create::no);
  if (!home) return fail(home);
  Reader in(input.get());
  const Record first = in.next();
  if (first != Record::message) {
    return retry("an entry of the queue {} must be a stream with a message: {}", queue,
                 first == Record::end ? in.end().text : "it is empty");
  }
  const auto way = way_of(*home, queue, in.message());
  if (!way) return fail(way);
  if (way->message) {
    const auto message = file_in_memory(*way->message);
    if (!message) return fail(message);
    return run_way(*home, *way, *message, output);
  }
  if (lseek(input.get(), 0, SEEK_SET) != 0) {
    return retry("standard input must be a file, as ml-queue run gives it");
  }
  return run_way(*home, *way, input, output);
}

}  // namespace ml
