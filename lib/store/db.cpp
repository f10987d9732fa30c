#include "store/db.hpp"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/fd.hpp"

namespace ml {

// What the environment, its transactions and its cursors share; it outlives them.
struct OpenDb {
  struct Close {
    void operator()(MDB_env* opened) const { mdb_env_close(opened); }
  };
  std::unique_ptr<MDB_env, Close> env;
  std::vector<MDB_dbi> tables;
  std::string directory;
  unsigned readers = 0;
  bool map_was_full = false;
  // Where the last forget_pages() began: the kernel maps pages around the one that is read, so
  // that the next read brings back some of these. Nothing once the map may lie elsewhere.
  const char* forgotten = nullptr;

  [[nodiscard]] MDB_dbi table(Table which) const { return tables[static_cast<unsigned>(which)]; }
  [[nodiscard]] Failure failed(std::string_view doing, int code);
};

namespace {

// A store that has not this much left below the file-size limit is not written to.
constexpr std::uint64_t file_limit_margin = std::uint64_t{16} << 20;
// Less than this free explains a short write, which LMDB reports as EIO.
constexpr std::uint64_t full_disk = std::uint64_t{1} << 20;

struct Magic {
  unsigned long type;
  std::string_view name;
};
// From linux/magic.h and the file systems' own sources.
constexpr std::array network_types = {
    Magic{0x6969, "NFS"},        Magic{0xFF534D42, "CIFS"},   Magic{0xFE534D42, "SMB"},
    Magic{0x517B, "SMB"},        Magic{0x00C36400, "Ceph"},   Magic{0x5346414F, "AFS"},
    Magic{0x6B414653, "AFS"},    Magic{0x73757245, "Coda"},   Magic{0x564C, "NCP"},
    Magic{0x01021997, "9P"},     Magic{0x01161970, "GFS2"},   Magic{0x7461636F, "OCFS2"},
    Magic{0x0BD00BD0, "Lustre"}, Magic{0x19830326, "BeeGFS"}, Magic{0x47504653, "GPFS"},
    Magic{0x013111A8, "IBRIX"},  Magic{0xAAD7AAEA, "PanFS"},  Magic{0xBACBACBC, "VMHGFS"},
    Magic{0x786F4256, "VBoxSF"},
};

MDB_val to_val(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}
std::string_view to_view(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

std::string data_file(const std::string& directory) {
  return directory + "/data.mdb";
}

std::uint64_t file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

bool disk_is_full(const std::string& directory) {
  struct statvfs about{};
  return statvfs(directory.c_str(), &about) == 0 &&
         std::uint64_t{about.f_bavail} * about.f_frsize < full_disk;
}

Failure no_room_under_limit(const std::string& directory, std::uint64_t used) {
  return retry(
      "the store {} ({} octets) has no room to grow under this process's file-size limit of {} "
      "octets: set mailbox_size_limit=0 in Postfix (or raise ulimit -f)",
      directory, used, file_limit());
}

// Limits and full disks come in many codes: a write that was cut short is EIO.
std::optional<Failure> no_space(std::string_view doing, const std::string& directory, int code) {
  struct stat about{};
  const auto used = stat(data_file(directory).c_str(), &about) == 0
                        ? static_cast<std::uint64_t>(about.st_size)
                        : 0;
  if (code == EFBIG || (code == EIO && used + file_limit_margin > file_limit())) {
    return no_room_under_limit(directory, used);
  }
  if (code == ENOSPC || code == EDQUOT || (code == EIO && disk_is_full(directory))) {
    return retry("{}: {} has no space left: free some and try again; nothing was changed", doing,
                 directory);
  }
  return std::nullopt;
}

// `doing` begins the line: "cannot write the store".
Failure db_failure(std::string_view doing, const std::string& directory, int code) {
  if (auto failed = no_space(doing, directory, code)) return std::move(*failed);
  switch (code) {
    case ENOENT:
    case MDB_NOTFOUND:
      return retry("there is no store in {} yet (ml-list create makes it)", directory);
    case EACCES:
    case EPERM:
    case EROFS:
      return retry("{} {}: {}; this runs as uid {}: run it as the home's owner", doing, directory,
                   mdb_strerror(code), geteuid());
    case ENOMEM:
      return retry("{} {}: no address space for its map: raise ulimit -v", doing, directory);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INVALID:
      return retry("{} {}: it is damaged ({}): bring it back from a copy (ml-store copy)", doing,
                   directory, mdb_strerror(code));
    case MDB_VERSION_MISMATCH:
      return retry("{} {}: another version of LMDB made it", doing, directory);
    default: return retry("{} {}: {}", doing, directory, mdb_strerror(code));
  }
}

Result<> refuse_network(const std::string& directory) {
  struct statfs about{};
  if (statfs(directory.c_str(), &about) != 0) {
    return db_failure("cannot open the store", directory, errno);
  }
  if (const auto network = network_file_system(static_cast<unsigned long>(about.f_type))) {
    return retry(
        "the store {} lies on a network file system ({}), where it would be damaged: "
        "put the home on a local disk",
        directory, *network);
  }
  return {};
}

Result<> check_file(const std::string& directory, Access access) {
  const std::string path = data_file(directory);
  struct stat about{};
  if (stat(path.c_str(), &about) != 0) {
    if (errno != ENOENT || access != Access::make) {
      return db_failure("cannot open the store", directory, errno);
    }
  } else if (about.st_uid != geteuid()) {
    return retry("the store {} belongs to uid {} and this runs as uid {}: run it as its owner",
                 path, about.st_uid, geteuid());
  }
  const auto used = static_cast<std::uint64_t>(about.st_size);
  if (access != Access::read && used + file_limit_margin > file_limit()) {
    return no_room_under_limit(directory, used);
  }
  return {};
}

// Handles the two passing troubles of a beginning: a map that another process has enlarged, and
// reader slots that killed processes hold.
Result<MDB_txn*> begin(OpenDb& db, unsigned flags) {
  MDB_txn* txn = nullptr;
  int code = 0;
  for (int attempt = 0; attempt < 3; ++attempt) {
    code = mdb_txn_begin(db.env.get(), nullptr, flags, &txn);
    if (code == MDB_MAP_RESIZED) {
      db.forgotten = nullptr;
      code = mdb_env_set_mapsize(db.env.get(), 0);
      if (code != 0) break;
    } else if (code == MDB_READERS_FULL) {
      int freed = 0;
      mdb_reader_check(db.env.get(), &freed);
    } else {
      break;
    }
  }
  if (code == 0 && txn != nullptr) return txn;
  if (code == MDB_READERS_FULL) {
    return retry("the store {} is being read by {} processes, the most it takes: try again",
                 db.directory, db.readers);
  }
  return db_failure("cannot read the store", db.directory, code);
}

Result<> open_tables(OpenDb& db, const std::vector<const char*>& names, Access access) {
  auto txn = begin(db, access == Access::make ? 0 : MDB_RDONLY);
  if (!txn) return fail(txn);
  for (const char* name : names) {
    MDB_dbi table = 0;
    const unsigned flags = access == Access::make ? MDB_CREATE : 0;
    if (const int code = mdb_dbi_open(*txn, name, flags, &table); code != 0) {
      mdb_txn_abort(*txn);
      return db.failed("cannot open the store", code);
    }
    db.tables.push_back(table);
  }
  if (const int code = mdb_txn_commit(*txn); code != 0) {
    return db.failed("cannot open the store", code);
  }
  return {};
}

Result<> grow(OpenDb& db) {
  MDB_envinfo info{};
  mdb_env_info(db.env.get(), &info);
  db.forgotten = nullptr;
  if (const int code = mdb_env_set_mapsize(db.env.get(), info.me_mapsize * 2); code != 0) {
    return db.failed("cannot enlarge the map of the store", code);
  }
  return {};
}

}  // namespace

std::optional<std::string_view> network_file_system(unsigned long type) {
  const auto* found = std::ranges::find(network_types, type & 0xFFFFFFFFUL, &Magic::type);
  if (found == network_types.end()) return std::nullopt;
  return found->name;
}

Failure OpenDb::failed(std::string_view doing, int code) {
  if (code == MDB_MAP_FULL) map_was_full = true;
  return db_failure(doing, directory, code);
}

void Cursor::Close::operator()(MDB_cursor* cursor) const {
  mdb_cursor_close(cursor);
}

Result<bool> Cursor::move(int how, std::string_view to) {
  MDB_val key = to_val(to);
  MDB_val value{};
  const int code = mdb_cursor_get(cursor_.get(), &key, &value, static_cast<MDB_cursor_op>(how));
  if (code == MDB_NOTFOUND) return false;
  if (code != 0) return db_->failed("cannot read the store", code);
  key_ = to_view(key);
  value_ = to_view(value);
  return true;
}

Result<bool> Cursor::first() {
  return move(MDB_FIRST);
}
Result<bool> Cursor::last() {
  return move(MDB_LAST);
}
Result<bool> Cursor::next() {
  return move(MDB_NEXT);
}
Result<bool> Cursor::seek(std::string_view key) {
  return move(MDB_SET_RANGE, key);
}

Result<std::size_t> Cursor::read_on(std::span<DbRecord> room, bool& standing) {
  std::size_t count = 0;
  MDB_val key = to_val(key_);
  MDB_val value = to_val(value_);
  int code = 0;
  if (standing && lowest_ == nullptr) lowest_ = highest_ = key_.data();
  for (; standing && count < room.size(); standing = code == 0) {
    const DbRecord& record = room[count++] = {to_view(key), to_view(value)};
    // A value may lie on pages of its own, before or behind its key's.
    lowest_ = std::min({lowest_, record.key.data(), record.value.data()});
    highest_ = std::max({highest_, record.key.data(), record.value.data() + record.value.size()});
    code = mdb_cursor_get(cursor_.get(), &key, &value, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) return db_->failed("cannot read the store", code);
  key_ = to_view(key);
  value_ = to_view(value);
  return count;
}

void Cursor::forget_pages() {
  if (lowest_ == nullptr) return;
  const char* from = db_->forgotten != nullptr ? std::min(db_->forgotten, lowest_) : lowest_;
  db_->forgotten = lowest_;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  from -= reinterpret_cast<std::uintptr_t>(from) % page;
  madvise(const_cast<char*>(from), static_cast<std::size_t>(highest_ - from), MADV_DONTNEED);
  lowest_ = highest_ = nullptr;
}

Result<> Cursor::put_with(unsigned flags, std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > longest_db_key) {
    return retry("the store {} takes keys of 1 to {} octets, not {}", db_->directory,
                 longest_db_key, key.size());
  }
  MDB_val key_val = to_val(key);
  MDB_val value_val = to_val(value);
  const int code = mdb_cursor_put(cursor_.get(), &key_val, &value_val, flags);
  if (code != 0) return db_->failed("cannot write the store", code);
  return {};
}

Result<> Cursor::put(std::string_view key, std::string_view value) {
  return put_with(0, key, value);
}
Result<> Cursor::append(std::string_view key, std::string_view value) {
  return put_with(MDB_APPEND, key, value);
}

Result<> Cursor::erase() {
  if (const int code = mdb_cursor_del(cursor_.get(), 0); code != 0) {
    return db_->failed("cannot write the store", code);
  }
  return {};
}

void Snapshot::Abort::operator()(MDB_txn* txn) const {
  mdb_txn_abort(txn);
}

Result<std::optional<std::string_view>> Snapshot::get(Table table, std::string_view key) const {
  if (key.empty() || key.size() > longest_db_key) return std::nullopt;
  MDB_val key_val = to_val(key);
  MDB_val value{};
  const int code = mdb_get(txn_.get(), db_->table(table), &key_val, &value);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != 0) return db_->failed("cannot read the store", code);
  return to_view(value);
}

Result<Cursor> Snapshot::cursor(Table table) const {
  MDB_cursor* cursor = nullptr;
  const int code = mdb_cursor_open(txn_.get(), db_->table(table), &cursor);
  if (code != 0) return db_->failed("cannot read the store", code);
  return Cursor(cursor, *db_);
}

Result<> StoreTransaction::put(Table table, std::string_view key, std::string_view value) {
  auto at = cursor(table);
  if (!at) return fail(at);
  return at->put(key, value);
}

Result<bool> StoreTransaction::erase(Table table, std::string_view key) {
  MDB_val key_val = to_val(key);
  const int code = mdb_del(txn_.get(), db_->table(table), &key_val, nullptr);
  if (code == MDB_NOTFOUND) return false;
  if (code != 0) return db_->failed("cannot write the store", code);
  return true;
}

Result<> StoreTransaction::commit() {
  if (const int code = mdb_txn_commit(txn_.release()); code != 0) {
    return db_->failed("cannot write the store", code);
  }
  return {};
}

Environment::Environment(std::unique_ptr<OpenDb> db) : db_(std::move(db)) {}
Environment::Environment(Environment&&) noexcept = default;
Environment& Environment::operator=(Environment&&) noexcept = default;
Environment::~Environment() = default;

Result<Environment> Environment::open(const std::string& directory, Access access,
                                      const std::vector<const char*>& tables,
                                      const DbLimits& limits) {
  if (auto local = refuse_network(directory); !local) return fail(local);
  if (auto checked = check_file(directory, access); !checked) return fail(checked);
  auto db = std::make_unique<OpenDb>();
  db->directory = directory;
  db->readers = limits.readers;
  MDB_env* env = nullptr;
  if (const int code = mdb_env_create(&env); code != 0) {
    return db->failed("cannot open the store", code);
  }
  db->env.reset(env);
  mdb_env_set_mapsize(env, limits.map_size);
  mdb_env_set_maxreaders(env, limits.readers);
  mdb_env_set_maxdbs(env, static_cast<MDB_dbi>(tables.size()));
  const unsigned flags = access == Access::read ? MDB_RDONLY : 0;
  if (const int code = mdb_env_open(env, directory.c_str(), flags, 0600); code != 0) {
    return db->failed("cannot open the store", code);
  }
  // LMDB leaves this one to children; they have no business with it.
  if (int fd = -1; mdb_env_get_fd(env, &fd) == 0) static_cast<void>(fcntl(fd, F_SETFD, FD_CLOEXEC));
  const Access existing = access == Access::make ? Access::write : access;
  auto opened = open_tables(*db, tables, existing);
  if (!opened && access == Access::make) {
    db->tables.clear();
    opened = open_tables(*db, tables, Access::make);
    if (opened) opened = sync_directory(directory);
  }
  if (!opened) return fail(opened);
  return Environment(std::move(db));
}

Result<Snapshot> Environment::read() const {
  auto txn = begin(*db_, MDB_RDONLY);
  if (!txn) return fail(txn);
  return Snapshot(*txn, *db_);
}

Result<> Environment::write(const std::function<Result<>(StoreTransaction&)>& work) {
  int freed = 0;
  mdb_reader_check(db_->env.get(), &freed);
  for (;;) {
    auto txn = begin(*db_, 0);
    if (!txn) return fail(txn);
    db_->map_was_full = false;
    Result<> done;
    {
      StoreTransaction change(*txn, *db_);
      done = work(change);
      if (done) done = change.commit();
    }
    if (done || !db_->map_was_full) return done;
    if (auto grown = grow(*db_); !grown) return grown;
  }
}

Result<> Environment::copy(const std::string& directory) const {
  const std::string path = data_file(directory);
  if (auto local = refuse_network(directory); !local) return fail(local);
  if (access(path.c_str(), F_OK) == 0) return retry("{} is there already: copy elsewhere", path);
  if (const int code = mdb_env_copy2(db_->env.get(), directory.c_str(), MDB_CP_COMPACT);
      code != 0) {
    unlink(path.c_str());
    return db_failure("cannot copy the store to", directory, code);
  }
  auto file = open_file(path, O_RDONLY);
  if (!file) return fail(file);
  if (auto synced = sync(*file, path); !synced) return fail(synced);
  return sync_directory(directory);
}

}  // namespace ml
