#include "stage/expand.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/home.hpp"
#include "base/text.hpp"
#include "mail/mailbox_set.hpp"
#include "scratch-store.hpp"
#include "store/store.hpp"

using namespace ml;

namespace {

using Texts = std::vector<std::string>;
constexpr std::string_view hello = "From: Ann <ann@example.org>\nSubject: hello\n\nHello.\n";

std::string text_of(const Fd& file) {
  std::string text(static_cast<std::size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  REQUIRE(pread(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  return text;
}

// A directory that goes with the test, with a home in it.
struct Place {
  Place() : directory("/tmp/mlpipe-expand-" + std::to_string(random_number())) {
    std::filesystem::create_directories(home());
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { std::filesystem::remove_all(directory); }

  [[nodiscard]] std::string file(std::string_view text) {
    const std::string path = directory + "/people" + std::to_string(++files);
    auto fd = open_file(path, O_WRONLY | O_CREAT);
    REQUIRE(fd);
    REQUIRE(write_all(*fd, text, path));
    return path;
  }
  [[nodiscard]] std::string home() const { return directory + "/home"; }

  std::string directory;
  int files = 0;
};

// The store of the place's home. Not to be held while expand() runs here: LMDB wants a store
// opened once in a process.
Store store_of(const Place& place) {
  auto home = open_home(place.home(), Create::yes);
  REQUIRE(home);
  auto store = Store::open(*home, Access::make);
  REQUIRE(store);
  return std::move(*store);
}

// Adds people to a list, which is made if it is missing.
void subscribe(const Place& place, std::string_view name, const Texts& addresses,
               State state = State::active, const std::string& attributes = {}) {
  Store store = store_of(place);
  auto list = store.list(name);
  if (!list) list = store.make_list(name);
  REQUIRE(list);
  std::vector<Subscriber> subscribers;
  for (const auto& text : addresses) {
    auto address = text_to_address(text);
    REQUIRE(address);
    subscribers.push_back({*address, state, 1, 1, attributes});
  }
  REQUIRE(tests::put(store, *list, subscribers, Revive::no));
}

struct Expanded {
  int status = 0;
  std::string said;  // what stderr would say
  Texts lines;
};

Expanded expanded(std::string_view input, ExpandOptions options, const Place& place) {
  if (!options.home) {
    options.home = place.home();
    REQUIRE(open_home(options.home, Create::yes));  // one that is named has to be there
  }
  const Fd in(memfd_create("in", MFD_CLOEXEC));
  const Fd to(memfd_create("out", MFD_CLOEXEC));
  REQUIRE(write_all(in, input, "in"));
  REQUIRE(lseek(in.get(), 0, SEEK_SET) == 0);
  Writer out(to.get());
  const auto result = expand(options, in.get(), out);
  Expanded found;
  found.status = static_cast<int>(result ? *result : result.error().status);
  if (!result) found.said = result.error().text;
  const auto text = text_of(to);
  for (const auto line : split(text, '\n')) found.lines.emplace_back(line);
  found.lines.pop_back();
  return found;
}

// The rcpt lines without their first field.
Texts rcpts(const Expanded& found) {
  Texts texts;
  for (const auto& line : found.lines) {
    if (line.starts_with("rcpt\t")) texts.push_back(line.substr(5));
  }
  return texts;
}

std::string section(std::string_view attributes, const Texts& addresses,
                    std::string_view end = "end\t0\n") {
  std::string text = fmt::format("message\tr1\tnews-bounces@x.org\taGkK{}\n", attributes);
  for (const auto& address : addresses) text += "rcpt\t" + address + "\t-\n";
  return text.append(end);
}

ExpandOptions to_files(Texts files) {
  ExpandOptions options;
  options.to = std::move(files);
  options.sender = "news@x.org";
  return options;
}

ExpandOptions to_lists(Texts lists) {
  ExpandOptions options;
  options.lists = std::move(lists);
  return options;
}

// news@x.org expanded by a process of its own, as in life, for LMDB is opened once in a process;
// all is written that a pipe takes, and the process is blocked in write(2) until rest() reads.
class BlockedExpansion {
 public:
  explicit BlockedExpansion(const Place& place) {
    const Fd in(memfd_create("in", MFD_CLOEXEC));
    REQUIRE(write_all(in, section("\tlist=news@x.org", {}), "in"));
    REQUIRE(lseek(in.get(), 0, SEEK_SET) == 0);
    auto pipe = make_pipe();
    REQUIRE(pipe);
    child_ = fork();
    if (child_ == 0) {
      pipe->read.reset();
      Writer out(pipe->write.get());
      ExpandOptions options;
      options.home = place.home();
      _exit(expand(options, in.get(), out) ? 0 : 1);
    }
    output_ = std::move(pipe->read);
    for (int tries = 0; tries < 2000 && !blocked(); ++tries) usleep(5000);  // polls
    REQUIRE(blocked());
  }
  [[nodiscard]] bool blocked() const {
    const auto waits_in = read_file(fmt::format("/proc/{}/wchan", child_), 100);
    return waits_in && waits_in->find("pipe_write") != std::string::npos;
  }
  // All of its output; it must have ended well.
  [[nodiscard]] std::string rest() {
    std::string all;
    std::string room(1 << 16, '\0');
    for (;;) {
      const auto got = read_some(output_.get(), room, "pipe");
      REQUIRE(got);
      if (*got == 0) break;
      all.append(room, 0, *got);
    }
    int ending = 0;
    REQUIRE(waitpid(child_, &ending, 0) == child_);
    CHECK(ending == 0);
    return all;
  }

 private:
  pid_t child_ = -1;
  Fd output_;
};

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("mailbox set: a mailbox is new once whatever its capitals") {
  MailboxSet set;
  CHECK(set.insert("Ann", "example.org"));
  CHECK(!set.insert("aNN", "example.org"));
  CHECK(set.insert("ann", "example.com"));
  CHECK(set.contains("ANN", "example.org"));
  CHECK(!set.contains("bob", "example.org"));
  CHECK(set.size() == 2);
  set.clear();
  CHECK(set.insert("ann", "example.org"));
}

TEST_CASE("mailbox set: many mailboxes are each kept apart") {
  MailboxSet set;
  for (int i = 0; i < 200'000; ++i) REQUIRE(set.insert("u" + std::to_string(i), "example.org"));
  for (int i = 0; i < 200'000; ++i) REQUIRE(!set.insert("u" + std::to_string(i), "example.org"));
  CHECK(!set.contains("u200000", "example.org"));
}

TEST_CASE("expand: a bare message to a file needs no store and no list") {
  Place place;
  const auto found = expanded(hello,
                              to_files({place.file("email,name\nann@example.org,Ann\n"
                                                   "Bob@Example.COM,\n")}),
                              place);
  CHECK(found.status == 0);
  CHECK(rcpts(found) == Texts{"ann@example.org\t-\tname=Ann", "Bob@example.com\t-"});
  CHECK(found.lines.front().starts_with("message\tx"));
  CHECK(found.lines.back() == "end\t0");
  CHECK(!std::filesystem::exists(place.home() + "/store"));
}

TEST_CASE("expand: the subscribers due come in domain order and no others") {
  Place place;
  subscribe(place, "news@x.org",
            {"b@example.org", "a@example.org", "z@example.com", "no@example.org"});
  subscribe(place, "news@x.org", {"bouncing@example.org"}, State::bouncing);
  subscribe(place, "news@x.org", {"digest@example.org"}, State::digest);
  subscribe(place, "news@x.org", {"nomail@example.org"}, State::nomail);
  subscribe(place, "news@x.org", {"suspended@example.org"}, State::suspended);
  REQUIRE(store_of(place).suppress({"no", "example.org"}, "asked"));
  const auto found = expanded(section("\tlist=news@x.org", {}), {}, place);
  CHECK(found.status == 0);
  CHECK(rcpts(found) == Texts{"z@example.com\t-", "a@example.org\t-", "b@example.org\t-",
                              "bouncing@example.org\t-", "digest@example.org\t-"});
}

TEST_CASE("expand: recipients that are there stay first and unchanged and get one copy") {
  Place place;
  subscribe(place, "news@x.org", {"ann@example.org", "bob@example.org"});
  const std::string there = "rcpt\tBOB@example.org\tme@x.org\tname=B\tleft=3";
  const auto found = expanded(section("\tlist=news@x.org", {}, there + "\nend\t0\n"), {}, place);
  REQUIRE(found.lines.size() == 4);
  CHECK(found.lines[1] == there);
  CHECK(found.lines[2] == "rcpt\tann@example.org\t-");
}

TEST_CASE("expand: nobody comes twice from several lists and files") {
  Place place;
  subscribe(place, "a@x.org", {"ann@example.org", "bob@example.org"});
  subscribe(place, "b@x.org", {"Bob@example.org", "cy@example.org"});
  ExpandOptions options = to_files({place.file("cy@example.org\ndi@example.org\nDI@example.org\n"),
                                    place.file("ann@example.org\ned@example.org\n")});
  options.lists = {"a@x.org", "b@x.org"};
  CHECK(rcpts(expanded(section("", {"ed@example.org"}), options, place)) ==
        Texts{"ed@example.org\t-", "ann@example.org\t-", "bob@example.org\t-", "cy@example.org\t-",
              "di@example.org\t-"});
}

TEST_CASE("expand: the same people may be in several sections") {
  Place place;
  const auto options = to_files({place.file("ann@example.org\n")});
  const auto found = expanded(section("", {}) + section("", {}), options, place);
  CHECK(rcpts(found) == Texts{"ann@example.org\t-", "ann@example.org\t-"});
}

TEST_CASE("expand: the excluded get nothing from lists and files") {
  Place place;
  subscribe(place, "a@x.org", {"ann@example.org", "bob@example.org"});
  ExpandOptions options = to_files({place.file("cy@example.org\ndi@example.org\n")});
  options.lists = {"a@x.org"};
  options.exclude = {place.file("status,email\nx,ANN@example.org\ny,di@example.org\n")};
  CHECK(rcpts(expanded(section("", {}), options, place)) ==
        Texts{"bob@example.org\t-", "cy@example.org\t-"});
}

TEST_CASE("expand: the suppressed get nothing from a file where a home knows them") {
  Place place;
  REQUIRE(store_of(place).suppress({"ann", "example.org"}, "asked"));
  const auto options = to_files({place.file("Ann@example.org\nbob@example.org\n")});
  CHECK(rcpts(expanded(hello, options, place)) == Texts{"bob@example.org\t-"});
}

TEST_CASE("expand: a bare message to a list has the list and its bounce address") {
  Place place;
  subscribe(place, "news@x.org", {"ann@example.org"});
  const auto found = expanded(hello, to_lists({"News@x.org"}), place);
  CHECK(found.status == 0);
  CHECK_THAT(found.lines.front(), Contains("\tnews-bounces@x.org\t"));
  CHECK(found.lines.front().ends_with("\tlist=news@x.org"));
}

TEST_CASE("expand: a bare message without a sender is 75 with advice") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  options.sender.reset();
  const auto found = expanded(hello, options, place);
  CHECK(found.status == 75);
  CHECK_THAT(found.said, Contains("--sender ADDRESS"));
  REQUIRE(found.lines.size() == 1);
  CHECK_THAT(found.lines.front(), Contains("end\t75\t"));
}

TEST_CASE("expand: a bare message with a NUL or without From is 65") {
  Place place;
  const auto options = to_files({place.file("ann@example.org\n")});
  const auto nul = expanded(std::string_view("From: a@x.org\n\n\0\n", 17), options, place);
  CHECK(nul.status == 65);
  CHECK(nul.said.starts_with("5.6.0 "));
  const auto nobody = expanded("Subject: x\n\nFrom: a@x.org\n", options, place);
  CHECK(nobody.status == 65);
  CHECK(nobody.said.starts_with("5.6.0 "));
  CHECK(nobody.lines == Texts{"end\t65\t" + nobody.said});
}

TEST_CASE("expand: a missing Date and Message-ID come and the id stays the same") {
  Place place;
  const auto options = to_files({place.file("ann@example.org\n")});
  const auto message_of = [&](std::string_view input) {
    const auto line = expanded(input, options, place).lines.front();
    return std::pair(std::string(split(line, '\t')[1]),
                     base64_decoded(split(line, '\t')[3]).value());
  };
  const auto [id, text] = message_of("From: a@x.org\r\n\r\nHi\r\n");
  CHECK(id.size() == 27);
  CHECK(id == message_of("From: a@x.org\n\nHi\n").first);
  CHECK(text.starts_with("From: a@x.org\nDate: "));
  CHECK_THAT(text, Contains("\nMessage-ID: <" + id + "@x.org>\n\nHi\n"));
  const std::string whole = "From: a@x.org\nDate: x\nMessage-Id: <y>\n\nHi\n";
  CHECK(message_of(whole).second == whole);
}

TEST_CASE("expand: an id of the user's is taken if it is one") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  options.id = "spring-2026";
  CHECK(expanded(hello, options, place).lines.front().starts_with("message\tspring-2026\t"));
  options.id = "../x";
  CHECK(expanded(hello, options, place).status == 75);
  options.id = "spring-2026";
  CHECK(expanded(section("", {}), options, place).status == 75);
}

TEST_CASE("expand: a sender given replaces that of a stream and <> is the null sender") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  CHECK(expanded(section("\tauthor=a@x.org", {}), options, place).lines.front() ==
        "message\tr1\tnews@x.org\taGkK\tauthor=a@x.org");
  options.sender = "";
  CHECK(expanded(section("", {}), options, place).lines.front() == "message\tr1\t<>\taGkK");
  options.sender = "a\tb@x.org";
  CHECK(expanded(section("", {}), options, place).status == 75);
}

TEST_CASE("expand: nobody named is 75 but recipients alone are enough") {
  Place place;
  CHECK(expanded(hello, {}, place).status == 75);
  CHECK(expanded(section("", {}), {}, place).status == 75);
  const auto found = expanded(section("", {"ann@example.org"}), {}, place);
  CHECK(found.status == 0);
  CHECK(rcpts(found) == Texts{"ann@example.org\t-"});
}

TEST_CASE("expand: a bare end passes and a failed section is not expanded") {
  Place place;
  subscribe(place, "news@x.org", {"ann@example.org"});
  const auto found =
      expanded("end\t0\n" + section("\tlist=news@x.org", {"bob@x.org"}, "end\t65\t5.6.0 no\n") +
                   section("\tlist=news@x.org", {}),
               {}, place);
  CHECK(found.status == 65);
  CHECK(found.said.empty());
  CHECK(rcpts(found) == Texts{"bob@x.org\t-", "ann@example.org\t-"});
  CHECK(found.lines[0] == "end\t0");
  CHECK(found.lines[3] == "end\t65\t5.6.0 no");
}

TEST_CASE("expand: a cut section keeps its recipients and is not expanded") {
  Place place;
  const auto options = to_files({place.file("ann@example.org\n")});
  const auto found = expanded(section("", {"bob@x.org"}, ""), options, place);
  CHECK(found.status == 75);
  CHECK(rcpts(found) == Texts{"bob@x.org\t-"});
  CHECK(found.lines.back().starts_with("end\t75\t"));
}

TEST_CASE("expand: a list that is not there is 75 before the first recipient") {
  Place place;
  subscribe(place, "news@x.org", {"ann@example.org"});
  const auto found = expanded(section("", {}), to_lists({"news@x.org", "olds@x.org"}), place);
  CHECK(found.status == 75);
  CHECK_THAT(found.said, Contains("olds@x.org: no such list (make it with: ml-list create"));
  CHECK(found.lines.size() == 1);
}

TEST_CASE("expand: a section that names an unknown list fails alone") {
  Place place;
  subscribe(place, "news@x.org", {"ann@example.org"});
  const auto found =
      expanded(section("\tlist=olds@x.org", {}) + section("\tlist=news@x.org", {}), {}, place);
  CHECK(found.status == 75);
  CHECK(found.lines[1].starts_with("end\t75\t"));
  CHECK(rcpts(found) == Texts{"ann@example.org\t-"});
  CHECK(found.lines.back() == "end\t0");
}

TEST_CASE("expand: a bad row anywhere in a file is 75 before the first recipient") {
  Place place;
  ExpandOptions options =
      to_files({place.file("ann@example.org\n"), place.file("bob@example.org\n\nbob@\n")});
  const auto found = expanded(hello, options, place);
  CHECK(found.status == 75);
  CHECK(found.lines.size() == 1);
  CHECK_THAT(found.said, Contains("line 3: 'bob@'") && Contains("--bad skip"));
  options.on_bad_row = OnBadRow::skip;
  CHECK(rcpts(expanded(hello, options, place)) ==
        Texts{"ann@example.org\t-", "bob@example.org\t-"});
}

TEST_CASE("expand: a bad row in an exclude file is 75") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  options.exclude = {place.file("x\n")};
  CHECK(expanded(hello, options, place).status == 75);
}

TEST_CASE("expand: a pipe of people serves one section and is not read again") {
  Place place;
  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(write_all(pipe->write, "ann@example.org\n", "pipe"));
  pipe->write.reset();
  const auto options = to_files({fmt::format("/proc/self/fd/{}", pipe->read.get())});
  const auto found = expanded(section("", {}) + section("", {}), options, place);
  CHECK(found.status == 75);
  CHECK(rcpts(found) == Texts{"ann@example.org\t-"});
  CHECK_THAT(found.said, Contains("put it into a file"));
}

TEST_CASE("expand: an empty input is a cut stream") {
  Place place;
  CHECK(expanded("", to_files({place.file("ann@example.org\n")}), place).status == 75);
}

TEST_CASE("expand: braces are text without merge and slots with it") {
  Place place;
  const auto text_in = [](const Expanded& found) {
    return base64_decoded(split(found.lines.front(), '\t')[3]).value();
  };
  const std::string personal = "From: a@x.org\nDate: x\nMessage-ID: <y>\n\nHi {{name|friend}}\n";
  ExpandOptions options = to_files({place.file("email,name\nann@example.org,Ann\n")});
  const auto plain = expanded(personal, options, place);
  CHECK(text_in(plain) == personal);
  options.merge = Merge::yes;
  const auto merged = expanded(personal, options, place);
  CHECK(merged.status == 0);
  CHECK(split(merged.lines.front(), '\t')[1] == split(plain.lines.front(), '\t')[1]);
  const auto attribute = split(merged.lines.front(), '\t').back();
  REQUIRE(attribute.starts_with("ml.slots="));
  CHECK_THAT(text_in(merged), Contains(std::string(attribute.substr(9))));
  CHECK(rcpts(merged) == Texts{"ann@example.org\t-\tname=Ann"});
  CHECK(text_in(expanded(hello, options, place)) == text_in(expanded(hello, options, place)));
  CHECK(expanded("From: a@x.org\n\nHi\n", options, place).lines.front().find("ml.slots") ==
        std::string::npos);
}

TEST_CASE("expand: the same message is marked alike each time and another one otherwise") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  options.merge = Merge::yes;
  const std::string head = "From: a@x.org\nDate: x\nMessage-ID: <y>\n\nHi {{name|you}}";
  const auto first = expanded(head, options, place).lines.front();
  CHECK(first == expanded(head, options, place).lines.front());
  CHECK(split(first, '\t').back() !=
        split(expanded(head + "!", options, place).lines.front(), '\t').back());
}

TEST_CASE("expand: a slot may ask for the address by the name of its column and as email") {
  Place place;
  const auto people = [&](const std::string& file, const std::string& text) {
    ExpandOptions options = to_files({place.file(file)});
    options.merge = Merge::yes;
    return rcpts(expanded("From: a@x.org\n\n" + text + "\n", options, place));
  };
  const std::string ann = "ann@example.org\t-";
  CHECK(people("ann@example.org\n", "{{email}}") == Texts{ann + "\temail=ann@example.org"});
  CHECK(people("ann@example.org\n", "{{name|you}}") == Texts{ann});
  CHECK(people("mail,name\nann@example.org,Ann\n", "{{mail}} {{email}}") ==
        Texts{ann + "\tname=Ann\tmail=ann@example.org\temail=ann@example.org"});
  CHECK(people("e-mail,email\nann@example.org,\n", "{{email|}} {{e-mail}}") ==
        Texts{"ann@example.org\t-\te-mail=ann@example.org"});
  CHECK(people("email,status_\nann@example.org,x\n", "{{email}}") ==
        Texts{ann + "\tstatus_=x\temail=ann@example.org"});
}

TEST_CASE("expand: a slot that cannot be filled safely is 65 before the first recipient") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  options.merge = Merge::yes;
  const std::string unsafe =
      "From: a@x.org\nContent-Type: text/html\n\n<script>{{name}}</script>\n";
  const auto bare = expanded(unsafe, options, place);
  CHECK(bare.status == 65);
  CHECK(bare.said.starts_with("5.6.0 "));
  CHECK(rcpts(bare).empty());
  const std::string in_stream =
      "message\tx1\tb@x.org\t" + base64(unsafe) + "\nrcpt\tbob@example.org\t-\nend\t0\n";
  const auto found = expanded(in_stream + section("", {}), options, place);
  CHECK(found.status == 65);
  CHECK(found.lines.front().starts_with("end\t65\t5.6.0 "));
  CHECK(rcpts(found) == Texts{"ann@example.org\t-"});
}

TEST_CASE("expand: merge in a stream marks the message and keeps its attributes") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  options.sender.reset();
  options.merge = Merge::yes;
  const std::string record = "message\tx1\tb@x.org\t" + base64("From: a@x.org\n\n{{name|you}}\n") +
                             "\tauthor=a@x.org\nend\t0\n";
  const auto once = expanded(record, options, place);
  CHECK_THAT(once.lines.front(), Contains("\tauthor=a@x.org\tml.slots="));
  CHECK(expanded(once.lines.front() + "\nend\t0\n", options, place).lines.front() ==
        once.lines.front());
}

TEST_CASE("expand: a state or tag or attribute chooses among subscribers") {
  Place place;
  subscribe(place, "news@x.org", {"a@example.org"}, State::active, "country=DE\ttags=board,staff");
  subscribe(place, "news@x.org", {"b@example.org"}, State::bouncing, "country=AT\ttags=staff ");
  subscribe(place, "news@x.org", {"d@example.org"}, State::digest, "note=a\\tb");
  subscribe(place, "news@x.org", {"n@example.org"}, State::nomail, "tags=board");
  const auto chosen = [&](const ChoiceTexts& texts) {
    ExpandOptions options;
    options.choice = texts;
    std::string who;
    for (const auto& line : rcpts(expanded(section("\tlist=news@x.org", {}), options, place))) {
      who += line.front();
    }
    return who;
  };
  CHECK(chosen({}) == "abd");
  CHECK(chosen({.states = {"digest", "bouncing"}}) == "bd");
  CHECK(chosen({.tags = {"board"}}) == "a");
  CHECK(chosen({.tags = {"board", " staff"}}) == "ab");
  CHECK(chosen({.tags = {"boar"}}).empty());
  CHECK(chosen({.where = {"country=DE"}}) == "a");
  CHECK(chosen({.where = {"country!=DE"}}) == "bd");
  CHECK(chosen({.where = {"country="}}) == "d");
  CHECK(chosen({.where = {"country!=", "country!=DE"}}) == "b");
  CHECK(chosen({.where = {"note=a\tb"}}) == "d");
  CHECK(chosen({.states = {"active"}, .tags = {"staff"}}) == "a");
}

TEST_CASE("expand: a choice that is none is 75 before the first recipient") {
  Place place;
  const auto said = [&](const ChoiceTexts& texts) {
    ExpandOptions options = to_files({place.file("ann@example.org\n")});
    options.choice = texts;
    const auto found = expanded(hello, options, place);
    CHECK(found.status == 75);
    CHECK(rcpts(found).empty());
    return found.said;
  };
  CHECK_THAT(said({.states = {"nomail"}}), Contains("never mailed"));
  for (const auto* const text : {"x", "=x", "!=x", "A=x"}) {
    CHECK_THAT(said({.where = {text}}), Contains("KEY=VALUE"));
  }
  for (const auto* const text : {"5", "%", "101%", "-1%", "1.%", ".5%", "1.23456%", "100.0001%"}) {
    CHECK_THAT(said({.sample = text}), Contains("a share such as 5%"));
  }
  for (const auto* const text : {"0/2", "3/2", "1", "1/", "/2", "1/0", "1/10001", "a/b"}) {
    CHECK_THAT(said({.shard = text}), Contains("K/N"));
  }
}

TEST_CASE("expand: the shards of N hosts have everybody once whoever there is and whence") {
  std::minstd_rand dice(3);
  for (int round = 0; round < 8; ++round) {
    Place place;
    Texts subscribers;
    std::string file;
    Texts there;
    Texts wanted;
    for (int i = 0; i < 120; ++i) {
      const std::string who = fmt::format("User{}@d{}.example", i, dice() % 7);
      wanted.push_back(who + "\t-");
      const auto where = dice() % 3;
      if (where == 0) subscribers.push_back(who);
      if (where == 1) file += who + '\n';
      if (where == 2) there.push_back(who);
    }
    subscribe(place, "news@x.org", subscribers);
    const auto hosts = 1 + dice() % 5;
    Texts all;
    for (unsigned host = 1; host <= hosts; ++host) {
      ExpandOptions options = to_files({place.file(file)});
      options.lists = {"news@x.org"};
      options.choice.shard = fmt::format("{}/{}", host, hosts);
      const auto found = expanded(section("", there), options, place);
      CHECK(found.status == 0);
      CHECK(found.lines.front().ends_with("\tpart=" + *options.choice.shard));
      for (const auto& line : rcpts(found)) all.push_back(line);
    }
    std::ranges::sort(all);
    std::ranges::sort(wanted);
    CHECK(all == wanted);
  }
}

TEST_CASE("expand: a shard of a shard is refused") {
  Place place;
  ExpandOptions options = to_files({place.file("ann@example.org\n")});
  options.choice.shard = "1/2";
  const auto found = expanded(section("\tpart=1/3", {}), options, place);
  CHECK(found.status == 75);
  CHECK(rcpts(found).empty());
}

TEST_CASE("expand: a sample is its share of people and the same for the same message") {
  Place place;
  std::string file;
  for (int i = 0; i < 20'000; ++i) file += fmt::format("u{}@example.org\n", i);
  ExpandOptions options = to_files({place.file(file)});
  const auto sampled = [&](const std::string& share, const std::string& id) {
    options.choice.sample = share;
    options.id = id;
    return rcpts(expanded(hello, options, place));
  };
  const auto tenth = sampled("10%", "one");
  CHECK(tenth.size() > 1800);
  CHECK(tenth.size() < 2200);
  CHECK(sampled("10%", "one") == tenth);
  CHECK(sampled("10%", "two") != tenth);
  const auto more = sampled("20.5%", "one");  // those of the smaller sample are among them
  CHECK(std::ranges::includes(
      more, tenth, {}, [](const auto& x) { return number(x.substr(1, x.find('@') - 1)); },
      [](const auto& x) { return number(x.substr(1, x.find('@') - 1)); }));
  CHECK(sampled("100%", "one").size() == 20'000);
  CHECK(sampled("0%", "one").size() <= 1);
}

TEST_CASE("expand: the author and those in To and Cc get the list's copy unless it is not wanted") {
  Place place;
  const auto names = [&](std::string_view settings, std::string_view header) {
    const auto home = place.home();
    std::filesystem::create_directories(home + "/lists/x.org");
    std::filesystem::permissions(home + "/lists", std::filesystem::perms::owner_all);
    std::filesystem::remove(home + "/lists/x.org/news.toml");
    auto file = open_file(home + "/lists/x.org/news.toml", O_WRONLY | O_CREAT);
    REQUIRE(file);
    REQUIRE(write_all(*file, settings, "settings"));
    std::string who;
    const std::string record = "message\tr1\tnews-bounces@x.org\t" + base64(header) +
                               "\tlist=news@x.org\tauthor=env@example.org\nend\t0\n";
    const auto found = expanded(record, {}, place);
    INFO(found.said);
    CHECK(found.status == (settings.find("maybe") == std::string_view::npos ? 0 : 75));
    for (const auto& line : rcpts(found)) who += line.substr(0, line.find('@')) + ' ';
    return who;
  };
  const std::string header =
      "From: Ann <ANN@example.org>\nTo: news@x.org, Bob\n <bob@example.org>\nCc: team: "
      "cy@example.org;\n\nx\n";
  subscribe(place, "news@x.org",
            {"ann@example.org", "bob@example.org", "cy@example.org", "dee@example.org",
             "env@example.org"});
  CHECK(names("", header) == "ann bob cy dee env ");
  CHECK(names("own-copy = \"no\"\n", header) == "bob cy dee ");
  CHECK(names("direct-copy = \"no\"\n", header) == "ann dee env ");
  CHECK(names("direct-copy = \"no\"\nown-copy = \"no\"\n", header) == "dee ");
  CHECK(names("own-copy = \"no\"\n", "no header") == "ann bob cy dee ");
  CHECK(names("own-copy = \"maybe\"\n", header).empty());
  // The subscriber's own word comes before the list's.
  subscribe(place, "news@x.org", {"ann@example.org"}, State::active, "own-copy=yes");
  subscribe(place, "news@x.org", {"cy@example.org"}, State::active, "direct-copy=no");
  CHECK(names("own-copy = \"no\"\n", header) == "ann bob dee ");
  CHECK(names("", header) == "ann bob dee env ");
}

namespace {

// People at random, few enough that the same come again, some with capitals.
class Crowd {
 public:
  explicit Crowd(unsigned seed) : random_(seed) {}

  [[nodiscard]] std::size_t pick(std::size_t below) { return random_() % below; }
  [[nodiscard]] std::string one() {
    constexpr std::array names{"ann", "Ann", "bob", "c.y", "dee+x", "Eve", "eve", "f"};
    constexpr std::array domains{"x.org", "a.x.org", "x-y.org", "example.com", "mail.example.com"};
    return fmt::format("{}@{}", names[pick(names.size())], domains[pick(domains.size())]);
  }
  [[nodiscard]] Texts some(std::size_t most) {
    Texts people;
    for (std::size_t left = pick(most + 1); left > 0; --left) people.push_back(one());
    return people;
  }

 private:
  std::mt19937 random_;
};

std::string mailbox_of(const std::string& address) {
  const auto at = address.find('@');
  return lower(address.substr(0, at)) + address.substr(at);
}

// Domain order, written the slow way.
std::vector<std::string> place_in_order(const std::string& address) {
  const std::string mailbox = mailbox_of(address);
  const auto at = mailbox.find('@');
  std::vector<std::string> order;
  for (const auto label : split(std::string_view(mailbox).substr(at + 1), '.')) {
    order.emplace(order.begin(), label);
  }
  order.push_back('\0' + mailbox.substr(0, at));  // whoever is at a domain, before its subdomains
  return order;
}

// What ml-expand's page says, one address at a time.
struct Model {
  std::set<std::string> seen;  // mailboxes
  std::set<std::string> out;   // the excluded and the suppressed
  Texts lines;

  void add(const std::string& address, const std::string& attributes = {}) {
    if (out.contains(mailbox_of(address)) || !seen.insert(mailbox_of(address)).second) return;
    lines.push_back(address + "\t-" + attributes);
  }
};

std::string rows(const Texts& people) {
  std::string text;
  for (const auto& one : people) text += one + '\n';
  return text;
}

}  // namespace

TEST_CASE("expand: random lists and files come to what the slow and obvious way comes to") {
  constexpr std::array states{State::active,   State::nomail,    State::digest,
                              State::bouncing, State::suspended, State::removed};
  for (unsigned seed = 0; seed < 60; ++seed) {
    INFO("seed " << seed);
    Crowd crowd(seed);
    Place place;
    Model model;
    ExpandOptions options;
    const Texts present = crowd.some(4);
    for (const auto& address : present) {
      model.seen.insert(mailbox_of(address));
      model.lines.push_back(address + "\t-");
    }
    {
      Store store = store_of(place);
      for (const auto& address : crowd.some(3)) {
        REQUIRE(store.suppress(*text_to_address(address), ""));
        model.out.insert(mailbox_of(address));
      }
    }
    const Texts excluded = crowd.some(3);
    for (const auto& address : excluded) model.out.insert(mailbox_of(address));
    if (!excluded.empty()) options.exclude.push_back(place.file(rows(excluded)));
    for (const std::string list : {"news@x.org", "jobs@x.org", "fun@example.com"}) {
      std::map<std::vector<std::string>, std::pair<std::string, State>> people;
      for (const auto& address : crowd.some(30)) {
        const State state = states[crowd.pick(states.size())];
        if (people.try_emplace(place_in_order(address), address, state).second) {
          subscribe(place, list, {address}, state, "n=" + std::to_string(people.size()));
        }
      }
      if (people.empty() || crowd.pick(3) == 0) continue;
      options.lists.push_back(list);
      Store store = store_of(place);
      const auto number = store.list(list);
      for (const auto& [order, one] : people) {
        if (!is_due(one.second)) continue;
        const auto found = store.find(*number, *text_to_address(one.first));
        REQUIRE((found && *found));
        model.add(one.first, "\t" + (*found)->attributes);
      }
    }
    for (std::size_t files = crowd.pick(3); files > 0; --files) {
      const Texts people = crowd.some(20);
      options.to.push_back(place.file(rows(people)));
      for (const auto& address : people) model.add(address);
    }
    if (options.lists.empty() && options.to.empty() && present.empty()) continue;
    const auto found = expanded(section("", present), options, place);
    CHECK(found.status == 0);
    CHECK(rcpts(found) == model.lines);
  }
}

TEST_CASE("expand: who leaves before its turn gets no copy and nobody who moves gets two") {
  Place place;
  Texts many;
  for (int i = 0; i < 60'000; ++i) {
    many.push_back(fmt::format("some-quite-long-local-part-{:05}@example.org", i));
  }
  subscribe(place, "news@x.org", many);
  BlockedExpansion expansion(place);

  // Behind the first slice: the last tenth leaves, one is taken off and put back, one is new. In
  // the first slice, which was read: one leaves and comes back, so that its record is written anew.
  const std::string fresh = "some-quite-long-local-part-59998x@example.org";
  {
    Store store = store_of(place);
    const auto list = store.list("news@x.org");
    REQUIRE(list);
    std::vector<Address> leaving;
    for (int i = 54'000; i < 59'999; ++i)
      leaving.push_back(*text_to_address(many[static_cast<std::size_t>(i)]));
    REQUIRE(store.remove(*list, leaving));
    for (const auto& who : {many[0], many[1], many[59'999], fresh}) {
      REQUIRE(store.remove(*list, {*text_to_address(who)}));
      REQUIRE(tests::put(store, *list, {{*text_to_address(who), State::active, 1, 1, ""}},
                         Revive::yes));
    }
  }
  Texts wanted(many.begin(), many.begin() + 54'000);
  wanted.push_back(fresh);
  wanted.push_back(many[59'999]);
  Texts found;
  const std::string all = expansion.rest();
  for (const auto line : split(all, '\n')) {
    if (line.starts_with("rcpt\t")) found.emplace_back(split(line, '\t')[1]);
  }
  CHECK(found == wanted);
}

TEST_CASE("expand: no snapshot of the store is held while the output is blocked") {
  Place place;
  Texts many;
  for (int i = 0; i < 30'000; ++i) {
    many.push_back("some-quite-long-local-part-" + std::to_string(i) + "@example.org");
  }
  subscribe(place, "news@x.org", many);
  BlockedExpansion expansion(place);

  // Were a snapshot open, no page could be used again and the file would grow by each commit.
  const auto size = [&] { return std::filesystem::file_size(place.home() + "/store/data.mdb"); };
  Store store = store_of(place);
  const auto list = store.list("news@x.org");
  REQUIRE(list);
  const auto commit = [&](int i) {
    const Subscriber one{{"some-quite-long-local-part-1", "example.org"},
                         State::active,
                         1,
                         1,
                         "n=" + std::to_string(i)};
    REQUIRE(store.replace(*list, one) == true);
  };
  for (int i = 0; i < 20; ++i) commit(i);
  const auto before = size();
  for (int i = 0; i < 200; ++i) commit(i);
  CHECK(size() == before);
  REQUIRE(expansion.blocked());
  CHECK(std::ranges::count(expansion.rest(), '\n') == 30'002);
}
