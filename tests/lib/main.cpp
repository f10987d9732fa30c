// Where the tests begin, with a bound for each: one that takes longer than TEST_TIMEOUT seconds
// (tests/run) ends the program, by its name.
#define CATCH_CONFIG_MAIN
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include <catch2/catch.hpp>

namespace {

std::string running;

extern "C" void end_hung_test(int /*signal*/) {
  static_cast<void>(!write(2, running.data(), running.size()));
  _exit(1);
}

class Bound : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    TestEventListenerBase::testCaseStarting(test);
    const char* const seconds = std::getenv("TEST_TIMEOUT");
    if (!seconds) return;
    running = "not ok - " + test.name + " did not end in " + seconds + " s\n";
    std::signal(SIGALRM, end_hung_test);
    alarm(static_cast<unsigned>(std::atoi(seconds)));
  }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    alarm(0);
    TestEventListenerBase::testCaseEnded(stats);
  }
};

CATCH_REGISTER_LISTENER(Bound)

}  // namespace
