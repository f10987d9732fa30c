#include "queue/syncer.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "base/fd.hpp"

using namespace ml;

namespace {

std::string numbered(std::size_t i) {
  return "file " + std::to_string(i);
}

}  // namespace

TEST_CASE("syncer: any number of files and any number of rounds", "[syncer]") {
  Syncer syncer;
  std::vector<Fd> files;
  std::vector<int> fds;
  for (std::size_t count = 0; count < 100; ++count) {
    CHECK(syncer.sync(fds, numbered));
    auto file = file_in_memory("octets");
    REQUIRE(file);
    fds.push_back(file->get());
    files.push_back(std::move(*file));
  }
}

TEST_CASE("syncer: the first file that cannot be synced is named and the next round is whole",
          "[syncer]") {
  Syncer syncer;
  const auto file = file_in_memory("octets");
  const auto pipe = make_pipe();  // has nothing to sync
  REQUIRE(file);
  REQUIRE(pipe);
  const std::vector<int> mixed{file->get(), file->get(), pipe->read.get(), file->get(),
                               pipe->write.get()};
  const auto failed = syncer.sync(mixed, numbered);
  REQUIRE(!failed);
  CHECK(failed.error().status == Status::retry);
  CHECK(failed.error().text.find("cannot sync file 2") != std::string::npos);
  CHECK(syncer.sync(std::vector<int>(20, file->get()), numbered));
}
