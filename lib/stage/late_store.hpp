// The store of a home, opened when it is first wanted: a send to a file of people needs neither
// store nor home.
//
//   LateStore store(options.home);
//   auto there = store.if_there();            // nullptr: nothing there yet
#pragma once

#include <optional>
#include <string>

#include "base/home.hpp"
#include "base/result.hpp"
#include "store/store.hpp"

namespace ml {

class LateStore {
 public:
  // `home`: as open_home() takes it.
  explicit LateStore(std::optional<std::string> home) : given_(std::move(home)) {}

  // For reading. What is given lives as long as this, where it stands.
  [[nodiscard]] Result<Store*> store();
  // nullptr where there is none yet. A home that was given and is not there is 75: it may be a
  // slip, which would mail those who are suppressed.
  [[nodiscard]] Result<Store*> if_there();
  [[nodiscard]] Result<const Home*> home();

 private:
  [[nodiscard]] Result<Store*> open(Home home);

  std::optional<std::string> given_;
  std::optional<Home> home_;
  std::optional<Store> store_;
};

}  // namespace ml
