// A home with a store in it, and short words for the tests that use one.
#pragma once

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

#include "scratch.hpp"
#include "store/store.hpp"

namespace ml::tests {

inline Address at(const std::string& text) {
  const auto address = text_to_address(text);
  INFO(text);
  REQUIRE(address);
  return *address;
}

// Imports them. A state of active and a day of 0 count as not said.
inline Result<Change> put(Store& store, ListNumber list, const std::vector<Subscriber>& subscribers,
                          Revive revive) {
  ImportOptions options;
  options.revive = revive;
  auto next = subscribers.begin();
  const auto source = [&](Entry& entry) -> Result<bool> {
    if (next == subscribers.end()) return false;
    entry.address = next->address;
    entry.attributes = next->attributes;
    if (next->state != State::active) entry.state = next->state;
    if (next->joined != 0) entry.joined = next->joined;
    if (next->changed != 0) entry.changed = next->changed;
    ++next;
    return true;
  };
  return store.import(list, source, options);
}

class ScratchStore : public Scratch {
 public:
  [[nodiscard]] Store store(const DbLimits& limits = {}) const {
    auto store = Store::open(home(), Access::make, limits);
    INFO((store ? std::string() : store.error().text));
    REQUIRE(store);
    return std::move(*store);
  }

  static ListNumber list(Store& store, const std::string& name = "news@x.org") {
    const auto list = store.make_list(name);
    REQUIRE(list);
    return *list;
  }
};

}  // namespace ml::tests
