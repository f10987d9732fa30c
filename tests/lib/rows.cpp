#include "list/rows.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <thread>

#include "base/attributes.hpp"
#include "base/text.hpp"

using namespace ml;

namespace {

// A file in memory with this text, and a path to open it by.
struct TestFile {
  explicit TestFile(std::string_view text) : fd(memfd_create("rows", MFD_CLOEXEC)) {
    REQUIRE(write_all(fd, text, "memfd"));
    path = fmt::format("/proc/self/fd/{}", fd.get());
  }
  Fd fd;
  std::string path;
};

using Found = std::vector<std::string>;

// A row as LINE:ADDRESS|key=value|..., a bad one as LINE! and its reason.
std::string shown(const Row& row) {
  if (!row.bad.empty()) return fmt::format("{}! {}", row.line, row.bad);
  std::string text = fmt::format("{}:{}", row.line, address_to_text(row.address));
  if (!row.attributes.empty()) text += '|' + row.attributes;
  std::ranges::replace(text, '\t', '|');
  return text;
}

Found rest_of(Rows& rows) {
  Found found;
  Row row;
  for (;;) {
    auto more = rows.next(row);
    REQUIRE(more);
    if (!*more) return found;
    found.push_back(shown(row));
  }
}

Found rows_of(std::string_view text, const RowOptions& options = {}) {
  const TestFile file(text);
  auto rows = Rows::open(file.path, options);
  INFO((rows ? "" : rows.error().text));
  REQUIRE(rows);
  return rest_of(*rows);
}

// The line numbers of the bad rows; every other row must be good.
std::vector<std::string> bad_lines_of(std::string_view text) {
  Found lines;
  for (const auto& row : rows_of(text)) {
    if (row.find("! ") < row.find(':')) lines.push_back(row.substr(0, row.find('!')));
  }
  return lines;
}

std::string refusal_of(std::string_view text, const RowOptions& options = {}) {
  const TestFile file(text);
  auto rows = Rows::open(file.path, options);
  REQUIRE(!rows);
  CHECK(rows.error().status == Status::retry);
  return rows.error().text;
}

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("rows: text has an address a line with blank lines and comments passed over") {
  CHECK(rows_of("# people\n\nann@example.org\n  bob@Example.COM \n#cy@example.net\n") ==
        Found{"3:ann@example.org", "4:bob@example.com"});
}

TEST_CASE("rows: an empty file and a file of comments have no rows") {
  CHECK(rows_of("").empty());
  CHECK(rows_of("# nobody\n\n").empty());
  CHECK(rows_of("\xEF\xBB\xBF").empty());
}

TEST_CASE("rows: a header alone has no rows") {
  CHECK(rows_of("email,name\n").empty());
  CHECK(rows_of("email").empty());
}

TEST_CASE("rows: a last line without LF counts") {
  CHECK(rows_of("ann@example.org\nbob@example.com") ==
        Found{"1:ann@example.org", "2:bob@example.com"});
  CHECK(rows_of("email;name\nann@example.org;Ann") == Found{"2:ann@example.org|name=Ann"});
}

TEST_CASE("rows: a BOM and CRLF do no harm in text and in columns") {
  CHECK(rows_of("\xEF\xBB\xBF"
                "ann@example.org\r\nbob@example.com\r\n") ==
        Found{"1:ann@example.org", "2:bob@example.com"});
  CHECK(rows_of("\xEF\xBB\xBF"
                "email,name\r\nann@example.org,Ann\r\n\r\n") ==
        Found{"2:ann@example.org|name=Ann"});
}

TEST_CASE("rows: comma and semicolon and TAB each separate columns") {
  const Found wanted{"2:ann@example.org|name=Ann"};
  CHECK(rows_of("email,name\nann@example.org,Ann\n") == wanted);
  CHECK(rows_of("email;name\nann@example.org;Ann\n") == wanted);
  CHECK(rows_of("email\tname\nann@example.org\tAnn\n") == wanted);
}

TEST_CASE("rows: quotes take separators and quotes and line ends into a value") {
  CHECK(rows_of("email,name\n"
                "ann@example.org,\"Author, \"\"Ann\"\"\r\nof Example\"\n"
                "bob@example.com,Bob\n") ==
        Found{R"(2:ann@example.org|name=Author, "Ann"\nof Example)", "4:bob@example.com|name=Bob"});
}

TEST_CASE("rows: a header may have quotes and stand below comments") {
  CHECK(rows_of("# from the shop\n\"E-Mail\",\"First Name\"\nann@example.org,Ann\n") ==
        Found{"3:ann@example.org|first_name=Ann"});
}

TEST_CASE("rows: a single column is known by its name") {
  CHECK(rows_of("Mail\nann@example.org\n") == Found{"2:ann@example.org"});
  CHECK(rows_of("kunde\nann@example.org\n", {.column = "Kunde"}) == Found{"2:ann@example.org"});
  CHECK(bad_lines_of("kunde\nann@example.org\n") == Found{"1"});
}

TEST_CASE("rows: the address column is found by name wherever it stands and else is the first") {
  CHECK(rows_of("name,Address\nAnn,ann@example.org\n") == Found{"2:ann@example.org|name=Ann"});
  CHECK(rows_of("who,name\nann@example.org,Ann\n") == Found{"2:ann@example.org|name=Ann"});
  CHECK(rows_of("email,mail\na@x.org,b@x.org\n") == Found{"2:a@x.org|mail=b@x.org"});
  CHECK(rows_of("email,mail\na@x.org,b@x.org\n", {.column = "mail"}) ==
        Found{"2:b@x.org|email=a@x.org"});
}

TEST_CASE("rows: an address may stand with a name beside it") {
  CHECK(rows_of("Ann <ann@example.org>\n"
                "\"Smith, Bob\" <bob@example.com>\n"
                "cy@example.net (Cy)\n"
                "<di@example.org>\n") == Found{"1:ann@example.org|name=Ann",
                                               "2:bob@example.com|name=Smith, Bob",
                                               "3:cy@example.net|name=Cy", "4:di@example.org"});
}

TEST_CASE("rows: a name column wins over the name beside the address") {
  CHECK(rows_of("email,name\nAnn <ann@example.org>,Anna\nBob <bob@example.com>,\n") ==
        Found{"2:ann@example.org|name=Anna", "3:bob@example.com|name=Bob"});
}

TEST_CASE("rows: values are escaped as on a rcpt line") {
  CHECK(rows_of("email,path\nann@example.org,\"c:\\x\ty\"\n") ==
        Found{R"(2:ann@example.org|path=c:\\x\ty)"});
}

TEST_CASE("rows: empty values and columns without a name and rows of nothing are left out") {
  CHECK(rows_of("email,name,,city\nann@example.org,,x,Rome\n,,,\nbob@example.com\n") ==
        Found{"2:ann@example.org|city=Rome", "4:bob@example.com"});
}

TEST_CASE("rows: a reserved column is refused with the rename that helps") {
  CHECK_THAT(refusal_of("email,status\nann@example.org,gold\n"),
             Contains("'status'") && Contains("--rename status=crm_status"));
  CHECK_THAT(refusal_of("email,ml.slots\n"), Contains("reserved"));
  CHECK(rows_of("email,Status\nann@example.org,gold\n", {.renames = {"status=crm_status"}}) ==
        Found{"2:ann@example.org|crm_status=gold"});
}

TEST_CASE("rows: a rename to a reserved name or of nothing is refused") {
  CHECK_THAT(refusal_of("email,x\n", {.renames = {"x=token"}}), Contains("reserved"));
  CHECK_THAT(refusal_of("email,x\n", {.renames = {"y=z"}}), Contains("there is no such column"));
  CHECK_THAT(refusal_of("email,x\n", {.renames = {"x"}}), Contains("--rename takes"));
  CHECK_THAT(refusal_of("email,x\n", {.renames = {"x=A B"}}), Contains("--rename takes"));
}

TEST_CASE("rows: a column that cannot name an attribute is refused until it is renamed") {
  CHECK_THAT(refusal_of("email,Pr\xC3\xA9nom\n"), Contains("--rename 'Pr\xC3\xA9nom=NAME'"));
  CHECK(rows_of("email,Pr\xC3\xA9nom\na@x.org,A\n", {.renames = {"Pr\xC3\xA9nom=first"}}) ==
        Found{"2:a@x.org|first=A"});
}

TEST_CASE("rows: two columns of one name are refused") {
  CHECK_THAT(refusal_of("email,First Name,first_name\n"), Contains("two columns"));
}

TEST_CASE("rows: a column asked for that is not there is refused") {
  CHECK_THAT(refusal_of("email,name\n", {.column = "kunde"}), Contains("no column 'kunde'"));
}

TEST_CASE("rows: the other columns do not matter where only addresses are wanted") {
  CHECK(rows_of("email,status,status\nAnn <ann@example.org>,x,y\n",
                {.columns = Columns::address_only}) == Found{"2:ann@example.org"});
}

TEST_CASE("rows: a first line with people in place of names loses nobody") {
  CHECK_THAT(refusal_of("ann@example.org,Ann\nbob@example.com,Bob\n"),
             Contains("'ann@example.org'") && Contains("email,name"));
  CHECK_THAT(refusal_of("ann@example.org, bob@example.com\n"),
             Contains("one address on each line"));
}

TEST_CASE("rows: UTF-16 and CR line ends are named with the cure") {
  CHECK_THAT(refusal_of(std::string_view("\xFF\xFE"
                                         "a\0",
                                         4)),
             Contains("iconv -f UTF-16"));
  CHECK_THAT(refusal_of("a@x.org\rb@x.org\r"), Contains("tr '\\r' '\\n'"));
}

TEST_CASE("rows: every bad row has its reason and the line where it begins") {
  CHECK(bad_lines_of("ann@example.org\n\nbob@\n# x\nno one\ncy@example.net\n") == Found{"3", "5"});
  CHECK(bad_lines_of("email,name\n\nann@example.org,\"a\nb\"\nbob,B\n,C\ncy@example.net,a,b\n") ==
        Found{"5", "6", "7"});
}

TEST_CASE("rows: octets that are not UTF-8 make a row bad") {
  CHECK(bad_lines_of("ann@example.org\ncaf\xE9@example.org\nJos\xE9 <jose@example.org>\n") ==
        Found{"2", "3"});
  CHECK(bad_lines_of("email,name\njose@example.org,Jos\xE9\nann@example.org,Ann\n") == Found{"2"});
}

TEST_CASE("rows: NUL and other controls make a row bad") {
  CHECK(bad_lines_of(std::string_view("ann@example.org\nb\0b@example.org\n", 32)) == Found{"2"});
  CHECK(bad_lines_of(std::string_view("email,name\nann@example.org,A\0B\n", 30)) == Found{"2"});
  CHECK(bad_lines_of("email,name\nann@example.org,A\x1B[2J\n") == Found{"2"});
}

TEST_CASE("rows: an address field with a line end or another control in it is a bad row") {
  CHECK(bad_lines_of("email,name\n\"a@x.org\nRCPT TO:<evil@x.org>\",n\nb@x.org,B\n") == Found{"2"});
  CHECK(bad_lines_of("email,name\n\"a@x.org\r\n<evil@x.org>\",n\n") == Found{"2"});
  CHECK(bad_lines_of(std::string_view("email,name\na\0 <evil@x.org>,n\n", 29)) == Found{"2"});
  CHECK(bad_lines_of("b@x.org\n\x1B[2JAnn <a@x.org>\nAnn\x7F <a@x.org>\n") == Found{"2", "3"});
}

TEST_CASE("rows: another address beside the address is a bad row") {
  CHECK(bad_lines_of("email,name\ngood@x.org <other@y.org>,n\nb@x.org,B\n") == Found{"2"});
  CHECK(bad_lines_of("\"good@x.org\" <other@y.org>\nother@y.org (good@x.org)\n"
                     "a@b, <other@y.org>\n") == Found{"1", "2", "3"});
  CHECK(rows_of("'Ann@x.org' <ann@x.org>\nbob@x.org (bob@x.org)\n") ==
        Found{"1:ann@x.org|name='Ann@x.org'", "2:bob@x.org|name=bob@x.org"});
}

TEST_CASE("rows: the same address among the words of a name and an @ of no address are good") {
  CHECK(rows_of("Ann Lee (Ann@x.org) <ann@x.org>\n\"Sales @ ACME\" <sales@acme.example>\n"
                "\"Ann Lee, ann@x.org\" <ann@x.org>\n@ann <ann@x.org>\n"
                "'o'neil@x.org' <o'neil@x.org>\n") ==
        Found{"1:ann@x.org|name=Ann Lee (Ann@x.org)", "2:sales@acme.example|name=Sales @ ACME",
              "3:ann@x.org|name=Ann Lee, ann@x.org", "4:ann@x.org|name=@ann",
              "5:o'neil@x.org|name='o'neil@x.org'"});
  CHECK(bad_lines_of("Ann Lee (ann@y.org) <ann@x.org>\n\"Ann ann@x.org,bob@y.org\" <ann@x.org>\n"
                     "ann@x.org (or: bob@y.org.)\n\"'bob@y.org'\" <ann@x.org>\n") ==
        Found{"1", "2", "3", "4"});
}

TEST_CASE("rows: no value can begin a line or a field of its own") {
  const auto found = rows_of("email,name\nann@example.org,\"x\nend\t0\r\nrcpt\teve@x.org\t-\"\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].find('\n') == std::string::npos);
  CHECK(found[0] == R"(2:ann@example.org|name=x\nend\t0\nrcpt\teve@x.org\t-)");
}

TEST_CASE("rows: an address of 254 octets is the longest") {
  const std::string label(63, 'd');
  const std::string domain = label + '.' + label + '.' + label;  // 191 octets
  const std::string fits = std::string(254 - 1 - 191, 'l') + '@' + domain;
  CHECK(rows_of(fits + '\n') == Found{"1:" + fits});
  CHECK(bad_lines_of("x@x.org\nl" + std::string(64, 'l') + '@' + domain + '\n') == Found{"2"});
  CHECK(bad_lines_of("x@x.org\n" + std::string(64, 'l') + '@' + domain + ".dd.dd\n") == Found{"2"});
}

TEST_CASE("rows: a row longer than a mebibyte is bad and the next one comes") {
  const std::string huge(3'000'000, 'x');
  CHECK(bad_lines_of("ann@example.org\n" + huge + "\nbob@example.com\n") == Found{"2"});
  CHECK(bad_lines_of("email,name\nann@example.org," + huge + "\nbob@example.com,B\n") ==
        Found{"2"});
}

TEST_CASE("rows: a quote in the wrong place spoils its own row only") {
  CHECK(rows_of("email,name\nann@example.org,An\"n\nbob@example.com,B\n").back() ==
        "3:bob@example.com|name=B");
  CHECK(bad_lines_of("email,name\nann@example.org,An\"n\nbob@example.com,B\n") == Found{"2"});
  CHECK(bad_lines_of("email,name\nann@example.org,\"A\"x\nbob@example.com,B\n") == Found{"2"});
}

TEST_CASE("rows: a quote that is never closed cannot swallow people in silence") {
  CHECK(bad_lines_of("email,name\nann@example.org,\"Ann\nbob@example.com,B\n") == Found{"2"});
  std::string many = "email,name\nann@example.org,\"Ann\n";
  while (many.size() < 1'200'000) many += "bob@example.com,Bob\n";
  const auto bad = bad_lines_of(many);
  REQUIRE(!bad.empty());
  CHECK(bad.front() == "2");
}

TEST_CASE("rows: a quote that is never closed says how many lines it takes with it") {
  const TestFile file("email,name\nann@example.org,\"Ann\nbob@example.com,B\ncy@example.net,C\n");
  auto rows = Rows::open(file.path, {});
  REQUIRE(rows);
  Row row;
  REQUIRE(rows->next(row) == true);
  CHECK(bad_row_to_text(*rows, row) ==
        file.path +
            " line 2: a quote is opened in it and never closed (this spoils it up to line 4)");
}

TEST_CASE("rows: a file can be read twice and a pipe cannot") {
  const TestFile file("email,name\nann@example.org,A\nbob@example.com,B\n");
  auto rows = Rows::open(file.path, {});
  REQUIRE(rows);
  const auto once = rest_of(*rows);
  CHECK(once.size() == 2);
  REQUIRE(rows->rewind() == true);
  CHECK(rest_of(*rows) == once);

  auto pipe = make_pipe();
  REQUIRE(pipe);
  REQUIRE(write_all(pipe->write, "ann@example.org\n", "pipe"));
  pipe->write.reset();
  auto piped = Rows::open(fmt::format("/proc/self/fd/{}", pipe->read.get()), {});
  REQUIRE(piped);
  CHECK(rest_of(*piped) == Found{"1:ann@example.org"});
  CHECK(piped->rewind() == false);
}

TEST_CASE("rows: a file that is not there or is a directory is named") {
  const auto missing = Rows::open("/no/such/people.csv", {});
  REQUIRE(!missing);
  CHECK_THAT(missing.error().text, Contains("/no/such/people.csv"));
  const auto directory = Rows::open("/", {});
  REQUIRE(!directory);
  CHECK_THAT(directory.error().text, Contains("directory"));
}

TEST_CASE("rows: bad rows are summed up with the first in words") {
  const TestFile file("a@\nb@\nc@\nd@\n");
  auto rows = Rows::open(file.path, {});
  REQUIRE(rows);
  BadRows bad;
  Row row;
  for (auto more = rows->next(row); more && *more; more = rows->next(row)) bad.add(*rows, row);
  const auto text = bad.failure().error().text;
  CHECK_THAT(text, Contains("line 1: ") && Contains("line 3: ") && Contains("4 bad rows in all"));
  CHECK(text.find("line 4: ") == std::string::npos);
}
