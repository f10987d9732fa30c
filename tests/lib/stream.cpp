#include "stream/reader.hpp"
#include "stream/record.hpp"
#include "stream/writer.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <thread>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "octets.hpp"

using namespace ml;

namespace {

const std::string message = "message\tx1\tnews-bounces@x.org\tSGVsbG8uCg==\n";
const std::string ann = "rcpt\tann@example.org\t-\n";
const std::string bob = "rcpt\tbob@example.com\tb@x.org\tname=Bob\n";
const std::string end = "end\t0\n";
const std::string section = message + ann + bob + end;

// What a reader makes of `text`, one word or line a record: "message x1 ann@example.org end 0".
std::string told(Reader& reader) {
  std::string all;
  const auto add = [&](std::string_view text) {
    if (!all.empty()) all += ' ';
    all += text;
  };
  for (;;) switch (reader.next()) {
      case Record::message: add("message " + std::string(reader.message().id)); break;
      case Record::rcpt: add(reader.rcpt().address); break;
      case Record::end:
        add("end " + std::to_string(reader.end().status));
        if (!reader.end().text.empty()) add("(" + std::string(reader.end().text) + ")");
        break;
      case Record::none: return all;
    }
}
std::string told(const std::string& text, std::size_t longest = Reader::longest_line) {
  const Fd input = octets_to_fd(text);
  Reader reader(input.get(), {}, longest);
  return told(reader);
}

const std::string whole = "message x1 ann@example.org bob@example.com end 0";
std::string broken(int line, const std::string& why) {
  return "end 75 (line " + std::to_string(line) + ": " + why + ")";
}

}  // namespace

TEST_CASE("stream: a section comes out as its message and recipients and end") {
  CHECK(told(section) == whole);
}

TEST_CASE("stream: each field of a recipient lies in its line, also one that is empty") {
  for (const std::string line :
       {"rcpt\ta@x.org\t-", "rcpt\ta@x.org\tb@x.org", "rcpt\ta@x.org\t-\tn=1"}) {
    const auto rcpt = line_to_rcpt(line);
    REQUIRE(rcpt);
    for (const auto field : {rcpt->address, rcpt->sender, rcpt->attributes.text()}) {
      CHECK(field.data() >= line.data());
      CHECK(field.data() + field.size() <= line.data() + line.size());
    }
  }
}

TEST_CASE("stream: sections follow one another") {
  CHECK(told(section + section + section) == whole + ' ' + whole + ' ' + whole);
}

TEST_CASE("stream: a bare end is a stream with nothing to send") {
  CHECK(told("end\t0\n") == "end 0");
  CHECK(told("end\t77\t5.7.1 only subscribers may post\n") ==
        "end 77 (5.7.1 only subscribers may post)");
  CHECK(told(end + section + end) == "end 0 " + whole + " end 0");
}

TEST_CASE("stream: an input of no octets is a cut stream") {
  CHECK(told("") == broken(1, "the input is empty: the stage before wrote no stream"));
}

TEST_CASE("stream: cut at each octet it gives its whole recipients and then 75 with the line") {
  const std::string cut_line = "the stream is cut in the middle of a line";
  const std::string no_end = "the stream is cut: its end record is missing";
  for (std::size_t cut = 1; cut < section.size(); ++cut) {
    CAPTURE(cut);
    const std::string text = section.substr(0, cut);
    std::string expected;
    int lines = 0;
    std::size_t held = 0;
    for (const auto& [record, seen] : {std::pair(message, "message x1 "),
                                       {ann, "ann@example.org "},
                                       {bob, "bob@example.com "}}) {
      held += record.size();
      if (cut < held) break;
      expected += seen;
      ++lines;
    }
    const bool at_line_end = text.back() == '\n';
    expected += broken(at_line_end ? lines : lines + 1, at_line_end ? no_end : cut_line);
    CHECK(told(text) == expected);
  }
}

TEST_CASE("stream: a message before the end of the section above cuts that one only") {
  CHECK(told(message + ann + section) ==
        "message x1 ann@example.org " +
            broken(3, "a message begins before the end of the one above") + ' ' + whole);
}

TEST_CASE("stream: a broken section is passed over up to its end and later ones come whole") {
  for (const auto& [line, why] : {
           std::pair<std::string, std::string>{"what\tis\tthis",
                                               "the record is neither message nor rcpt nor end"},
           {"", "the record is neither message nor rcpt nor end"},
           {"rcpt", "the rcpt record lacks a field"},
           {"rcpt\tann@example.org", "the rcpt record lacks a field"},
           {"rcpt\t\t-", "the rcpt record lacks a field"},
           {"rcpt\tann@example.org\t", "the rcpt record lacks a field"},
           {"rcpt\tann@example.org\t-\t", "a field of the rcpt is not key=value"},
           {"rcpt\tann@example.org\t-\tname", "a field of the rcpt is not key=value"},
           {"rcpt\tann@example.org\t-\tName=Ann", "a field of the rcpt is not key=value"},
           {"rcpt\tann@example.org\t-\t=Ann", "a field of the rcpt is not key=value"},
           {"rcpt\tann@example.org\t-\tname=a\t\tb=c", "a field of the rcpt is not key=value"},
           {"rcpt\tann@example.org\t-\tname=\\x", "a field of the rcpt is not key=value"},
           {"rcpt\tann@example.org\t-\tname=\\", "a field of the rcpt is not key=value"},
           {std::string("rcpt\tann\0@example.org\t-", 23),
            "it has a control character or is not UTF-8"},
           {"rcpt\tann@example.org\t-\r", "it has a control character or is not UTF-8"},
           {"rcpt\tann\xff@example.org\t-", "it has a control character or is not UTF-8"},
           {"rcpt\tann\x7f@example.org\t-", "it has a control character or is not UTF-8"},
           {"x\x1b", "it has a control character or is not UTF-8"},
       }) {
    CAPTURE(line);
    CHECK(told(message + ann + line + "\n" + bob + end + section) ==
          "message x1 ann@example.org " + broken(3, why) + ' ' + whole);
  }
}

TEST_CASE("stream: a message that is none has its end and the next section comes whole") {
  const std::string lacks = "the message record lacks a field";
  for (const auto& [line, why] : {
           std::pair<std::string, std::string>{"message", lacks},
           {"message\tx1", lacks},
           {"message\tx1\ta@x.org", lacks},
           {"message\tx1\ta@x.org\t", lacks},
           {"message\t\ta@x.org\tSGk=", "the id of the message is malformed"},
           {"message\t.x\ta@x.org\tSGk=", "the id of the message is malformed"},
           {"message\ta/b\ta@x.org\tSGk=", "the id of the message is malformed"},
           {"message\t" + std::string(65, 'x') + "\ta@x.org\tSGk=",
            "the id of the message is malformed"},
           {"message\tx1\t\tSGk=", "the message has no sender"},
           {"message\tx1\t-\tSGk=", "the message has no sender"},
           {"message\tx1\ta@x.org\tSGk=\t", "a field of the message is not key=value"},
           {"message\tx1\ta@x.org\tSGk=\tlist", "a field of the message is not key=value"},
           {std::string("message\tx1\ta@x.org\tSG\0k=", 24),
            "it has a control character or is not UTF-8"},
           {"rcpt\tann@example.org\t-", "a rcpt record stands before its message"},
       }) {
    CAPTURE(line);
    CHECK(told(line + "\n" + ann + end + section) == broken(1, why) + ' ' + whole);
  }
}

TEST_CASE("stream: an end that is none still ends its section with 75") {
  for (const std::string line : {"end", "end\t", "end\tok", "end\t-1", "end\t00", "end\t075",
                                 "end\t256", "end\t0\t", "end\t75\ta\tb", "end\t75\t\\"}) {
    CAPTURE(line);
    CHECK(told(message + ann + line + "\n" + section) ==
          "message x1 ann@example.org " + broken(3, "the end record is malformed") + ' ' + whole);
  }
}

TEST_CASE("stream: a line over the limit breaks its section and no other") {
  const std::string huge = "rcpt\t" + std::string(300'000, 'x') + "\t-\n";
  CHECK(told(message + huge + bob + end + section, 100) ==
        "message x1 " + broken(2, "the line is too long") + ' ' + whole);
  CHECK(told("message\t" + huge + bob + end + section, 100) ==
        broken(1, "the line is too long") + ' ' + whole);
}

TEST_CASE("stream: a malformed message right behind an open section has an end of its own") {
  const std::string cut = broken(3, "a message begins before the end of the one above");
  CHECK(told(message + ann + "message\tx2\t" + std::string(300, 'x') + "\n" + bob + end + section,
             100) == "message x1 ann@example.org " + cut + ' ' + broken(3, "the line is too long") +
                         ' ' + whole);
  CHECK(told(message + ann + "message\tx2\ta@x.org\t\x01\n" + bob + end + section) ==
        "message x1 ann@example.org " + cut + ' ' +
            broken(3, "it has a control character or is not UTF-8") + ' ' + whole);
}

TEST_CASE("stream: what is seen does not depend on where the reads were cut") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  const std::string text = section + message + "x\n" + end + section;
  std::thread slow([&] {
    for (const char octet : text) static_cast<void>(write_all(pipe->write, {&octet, 1}, "pipe"));
    pipe->write.reset();
  });
  Reader reader(pipe->read.get());
  const std::string seen = told(reader);
  slow.join();
  CHECK(seen == told(text));
}

TEST_CASE("stream: octets that the caller has read before are not lost") {
  for (std::size_t cut = 0; cut <= section.size(); ++cut) {
    const Fd input = octets_to_fd(section.substr(cut));
    Reader reader(input.get(), section.substr(0, cut));
    CHECK(told(reader) == whole);
  }
}

TEST_CASE("stream: base64 that is none is 75 with the line of its message") {
  for (const char* bad : {"!", "SGk", "SGk=x", "SG k=", "SGk=="}) {
    CAPTURE(bad);
    const Fd input = octets_to_fd(end + "message\tx2\ta@x.org\t" + bad + "\n" + end);
    Reader reader(input.get());
    REQUIRE(reader.next() == Record::end);
    REQUIRE(reader.next() == Record::message);
    const auto decoded = decoded_message(reader.message());
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().status == Status::retry);
    CHECK(decoded.error().text == "line 2: the message x2 is not base64");
  }
}

TEST_CASE("stream: what the writer writes the reader reads back") {
  std::string text = "Subject: hi\n\n";
  for (int i = 0; i < 256; ++i) text.push_back(static_cast<char>(i));
  const std::string ugly = "a\tb\nc\rd\\e=\\n \xC3\xA4";
  const Fd memory = octets_to_fd("");
  Writer writer(memory.get());
  std::string attributes;
  append_attribute(attributes, "list", "news@x.org");
  append_attribute(attributes, "ml.note", ugly);
  writer.message("x.1_-", "<>", text, attributes);
  writer.rcpt("ann@example.org", "-", attributes);
  writer.rcpt("\xC3\xA4@example.org", "<>", "");
  writer.end(Status::denied, ugly);
  writer.end(Status::done, "");
  REQUIRE(writer.flush());
  REQUIRE(lseek(memory.get(), 0, SEEK_SET) == 0);

  Reader reader(memory.get());
  REQUIRE(reader.next() == Record::message);
  CHECK(reader.message().id == "x.1_-");
  CHECK(reader.message().sender == "<>");
  CHECK(reader.message().line_number == 1);
  CHECK(reader.message().attributes.value("list") == "news@x.org");
  CHECK(reader.message().attributes.value("ml.note") == ugly);
  CHECK(decoded_message(reader.message()) == text);
  REQUIRE(reader.next() == Record::rcpt);
  CHECK(reader.rcpt().sender == "-");
  CHECK(reader.rcpt().attributes.value("ml.note") == ugly);
  CHECK_FALSE(reader.rcpt().attributes.value("note"));
  REQUIRE(reader.next() == Record::rcpt);
  CHECK(reader.rcpt().address == "\xC3\xA4@example.org");
  CHECK(reader.rcpt().attributes.empty());
  REQUIRE(reader.next() == Record::end);
  CHECK(reader.end().status == 77);
  CHECK(unescaped(reader.end().text) == ugly);
  REQUIRE(reader.next() == Record::end);
  CHECK(reader.end().status == 0);
  CHECK(reader.next() == Record::none);
  CHECK(reader.next() == Record::none);
}

TEST_CASE("stream: an empty message has no field that could be empty") {
  const Fd memory = octets_to_fd("");
  Writer writer(memory.get());
  writer.message("x1", "a@x.org", "", "");
  writer.end(Status::done, "");
  REQUIRE(writer.flush());
  CHECK(told(fd_to_octets(memory)) == broken(1, "the message record lacks a field"));
}

TEST_CASE("stream: lines that are passed on are passed on octet by octet") {
  const std::string text = section + "end\t75\tsome\\treason\n";
  const Fd input = octets_to_fd(text);
  const Fd memory = octets_to_fd("");
  Reader reader(input.get());
  Writer writer(memory.get());
  for (;;) {
    const Record record = reader.next();
    if (record == Record::none) break;
    if (record == Record::end) {
      writer.end(reader.end());
    } else {
      writer.pass(reader.line());
    }
  }
  REQUIRE(writer.flush());
  CHECK(fd_to_octets(memory) == text);
}

TEST_CASE("stream: only its first field tells a stream from a message") {
  CHECK(begins_stream("message\tx"));
  CHECK(begins_stream("end\t0\n"));
  CHECK_FALSE(begins_stream("message: x"));
  for (const char* more : {"", "m", "message", "e", "end"}) CHECK(may_begin_stream(more));
  for (const char* no : {"From: x", "messages", "end\n", "message\t"})
    CHECK_FALSE(may_begin_stream(no));
  CHECK_FALSE(begins_stream("rcpt\tx"));
  CHECK_FALSE(begins_stream("end"));
  CHECK_FALSE(begins_stream(""));
}

TEST_CASE("verdict: the first failure counts and what an earlier stage said is not said again") {
  Verdict verdict;
  verdict.add(EndRecord{0, {}, false});
  CHECK(verdict.result() == Status::done);
  verdict.add(EndRecord{77, "5.7.1 no", false});
  verdict.add(EndRecord{75, "line 9: cut", true});
  verdict.add(Error{Status::retry, "late"});
  const auto result = verdict.result();
  REQUIRE_FALSE(result);
  CHECK(result.error().status == Status::denied);
  CHECK(result.error().text.empty());
}

TEST_CASE("verdict: what this stage found is for it to say") {
  Verdict verdict;
  verdict.add(EndRecord{75, "line 9: cut", true});
  CHECK(verdict.result().error().text == "line 9: cut");
}

TEST_CASE("verdict: no status but 65 and 75 and 77 leaves whatever an end says") {
  for (const auto& [written, left] :
       {std::pair(1, 75), {64, 75}, {65, 65}, {75, 75}, {77, 77}, {111, 75}, {255, 75}}) {
    Verdict verdict;
    verdict.add(EndRecord{written, {}, false});
    CHECK(static_cast<int>(verdict.result().error().status) == left);
  }
}

TEST_CASE("attributes: the first of two of a key counts and a longer key is another") {
  const Attributes attributes("tokens=b\ttoken=x\\ty\ttoken=z");
  CHECK(attributes.value("token") == "x\ty");
  CHECK(attributes.raw("token") == "x\\ty");
  CHECK(attributes.value("tokens") == "b");
  CHECK_FALSE(attributes.value("toke"));
  CHECK_FALSE(Attributes().value("token"));
}

TEST_CASE("attributes: one is set in its place or last and taken out wherever it stands") {
  const Attributes attributes("a=1\tb=2\tc=3");
  CHECK(with_attribute(attributes, "b", "x\ty") == "a=1\tb=x\\ty\tc=3");
  CHECK(with_attribute(attributes, "d", "4") == "a=1\tb=2\tc=3\td=4");
  CHECK(with_attribute(attributes, "a", std::nullopt) == "b=2\tc=3");
  CHECK(with_attribute(Attributes(), "a", "") == "a=");
  CHECK(with_attribute(Attributes("a=1\ta=2"), "a", "3") == "a=3");
  CHECK(with_attribute(Attributes("a=1"), "a", std::nullopt).empty());
}

TEST_CASE("attributes: keys and reserved keys") {
  for (const char* good : {"a", "name", "crm_status", "x.y-z9"}) CHECK(is_key(good));
  for (const char* bad : {"", "9a", "Name", "a b", "_a", "-", "\xC3\xA4", "a="})
    CHECK_FALSE(is_key(bad));
  for (const char* reserved : {"list", "author", "token", "status", "reply", "attempts", "relay",
                               "left", "part", "ml.", "ml.nonce"}) {
    CHECK(is_reserved_key(reserved));
  }
  for (const char* free : {"name", "mlx", "lists", "crm_status"})
    CHECK_FALSE(is_reserved_key(free));
}

TEST_CASE("stream: whoever waits for input never waits in what is passed over behind a bad line") {
  auto pipe = make_pipe();
  REQUIRE(pipe);
  Reader in(pipe->read.get());
  const auto come = [&](const char* text) { REQUIRE(write_all(pipe->write, text, "pipe")); };
  come("message\tx1\tn@x.org\taGk=\nrcpt\tbroken\n");
  CHECK(in.read_once());
  CHECK(in.next() == Record::message);
  REQUIRE(in.ready());
  CHECK(in.next() == Record::end);
  CHECK_FALSE(in.ready());
  come("rcpt\ta@x.org\t-\n");
  CHECK_FALSE(in.read_once());
  come("end\t0\n");
  CHECK_FALSE(in.read_once());
  come("message\tx2\tn@x.org\taGk=\n");
  CHECK(in.read_once());
  CHECK(in.next() == Record::message);
  CHECK(in.message().id == "x2");
  come("end\t0\n");
  CHECK(in.read_once());
  CHECK(in.next() == Record::end);
  pipe->write.reset();
  CHECK(in.read_once());
  CHECK(in.next() == Record::none);
}
