// LMDB behind one door: an environment, snapshots to read, transactions to write, cursors.
//
// Everything is a value that lets go of what it holds. What LMDB wants to be handled with care is
// handled in here and nowhere else:
//   - the map is large and sparse; when it is full it doubles and the transaction runs again;
//     when another process has enlarged it, we follow
//   - reader slots of killed processes are freed when a writer starts and when slots run out
//   - network file systems, a foreign owner and a file-size limit without room are refused first
//   - a failed write or commit leaves everything as it was; every failure is 75
//
// One environment of a directory in a process, opened after any fork. One snapshot or transaction
// at a time in a thread, and none while the caller may block on a pipe.
//
//   auto env = Environment::open("/var/lib/mlpipe/store", Access::write, {"lists"}, {});
//   env->write([&](StoreTransaction& change) { return change.put(Table{0}, "key", "value"); });
//   auto snapshot = env->read();
//   auto value = snapshot->get(Table{0}, "key");
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

struct MDB_cursor;
struct MDB_txn;

namespace ml {

enum class Access {
  read,   // the store must exist
  write,  // the store must exist
  make,   // made if it is missing
};

struct DbLimits {
  std::size_t map_size = std::size_t{16} << 30;  // address space at first, not disk
  unsigned readers = 1024;  // processes that read at once; the first to open a store decides
};

// A table's place in the names that the environment was opened with.
enum class Table : unsigned {};

inline constexpr std::size_t longest_db_key = 511;

// A record of a table, as views into the map.
struct DbRecord {
  std::string_view key;
  std::string_view value;
};

// A position in one table. What it points at is valid until it moves, its transaction writes or
// the transaction ends. A cursor must not outlive its snapshot or transaction.
class Cursor {
 public:
  Cursor(Cursor&&) noexcept = default;
  Cursor& operator=(Cursor&&) noexcept = default;

  // Each moves, and is false where there is nothing (more).
  [[nodiscard]] Result<bool> first();
  [[nodiscard]] Result<bool> last();
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] Result<bool> seek(std::string_view key);  // to the first key not before `key`

  // For long reads: the record it stands on and those behind it, as many as `room` takes; fewer
  // only at the end of the table. It then stands behind the last of them. `standing`: false where
  // first(), seek() or next() has found nothing.
  [[nodiscard]] Result<std::size_t> read_on(std::span<DbRecord> room, bool& standing);
  // Gives the pages that read_on() has been through back to the kernel, which has them in its
  // cache: a large store that was read does not count as this process's memory. Views stay valid.
  // Only of a snapshot: a StoreTransaction has pages that are nowhere else.
  void forget_pages();

  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string_view value() const { return value_; }

  // Only in a StoreTransaction. The cursor then stands on what was put.
  [[nodiscard]] Result<> put(std::string_view key, std::string_view value);
  // Quicker, with full pages; `key` must be behind every key of the table.
  [[nodiscard]] Result<> append(std::string_view key, std::string_view value);
  // next() goes on behind what was erased.
  [[nodiscard]] Result<> erase();

 private:
  friend class Snapshot;
  struct Close {
    void operator()(MDB_cursor* cursor) const;
  };
  Cursor(MDB_cursor* cursor, struct OpenDb& db) : cursor_(cursor), db_(&db) {}
  [[nodiscard]] Result<bool> move(int how, std::string_view to = {});
  [[nodiscard]] Result<> put_with(unsigned flags, std::string_view key, std::string_view value);

  std::unique_ptr<MDB_cursor, Close> cursor_;
  struct OpenDb* db_;
  std::string_view key_;
  std::string_view value_;
  const char* lowest_ = nullptr;  // of what read_on() has met
  const char* highest_ = nullptr;
};

// The store as it is at one moment. Values are views into the map, valid as long as it lives.
// While it lives the store's file cannot reuse space: never keep one over a wait.
class Snapshot {
 public:
  Snapshot(Snapshot&&) noexcept = default;
  Snapshot& operator=(Snapshot&&) noexcept = default;

  [[nodiscard]] Result<std::optional<std::string_view>> get(Table table,
                                                            std::string_view key) const;
  [[nodiscard]] Result<Cursor> cursor(Table table) const;

 protected:
  friend class Environment;
  struct Abort {
    void operator()(MDB_txn* txn) const;
  };
  Snapshot(MDB_txn* txn, struct OpenDb& db) : txn_(txn), db_(&db) {}

  std::unique_ptr<MDB_txn, Abort> txn_;
  struct OpenDb* db_;
};

// A change to be made whole or not at all. Views from get() end with the next put or erase.
class StoreTransaction : public Snapshot {
 public:
  [[nodiscard]] Result<> put(Table table, std::string_view key, std::string_view value);
  [[nodiscard]] Result<bool> erase(Table table, std::string_view key);  // false: was not there

 private:
  friend class Environment;
  using Snapshot::Snapshot;
  [[nodiscard]] Result<> commit();
};

class Environment {
 public:
  // `directory` must exist for Access::make. `tables` are opened, or made with Access::make; a
  // store without one of them is not there yet (or was left by another program): 75.
  [[nodiscard]] static Result<Environment> open(const std::string& directory, Access access,
                                                const std::vector<const char*>& tables,
                                                const DbLimits& limits);
  Environment(Environment&&) noexcept;
  Environment& operator=(Environment&&) noexcept;
  ~Environment();

  [[nodiscard]] Result<Snapshot> read() const;

  // Runs `work` in a transaction and commits it, durably, if `work` ends well. Waits for another
  // process's transaction first. `work` runs again from its beginning when the map was full, so
  // it must start afresh each time.
  [[nodiscard]] Result<> write(const std::function<Result<>(StoreTransaction&)>& work);

  // A consistent, compacted copy into a directory that exists, durable when it returns. Others
  // read and write meanwhile. A copy that fails leaves no file.
  [[nodiscard]] Result<> copy(const std::string& directory) const;

 private:
  explicit Environment(std::unique_ptr<OpenDb> db);
  std::unique_ptr<OpenDb> db_;
};

// The name of a network file system ("NFS") by its statfs(2) type; nothing for a local one. LMDB
// needs locks and a shared map that only one machine's memory gives.
[[nodiscard]] std::optional<std::string_view> network_file_system(unsigned long type);

}  // namespace ml
