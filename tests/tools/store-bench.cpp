// What LMDB alone can do, for scripts/bench-store to stand beside:
//   store-bench expand STORE       the subscribers of all lists as rcpt lines, in one transaction:
//                                  a cursor, a buffer of 128 KiB, the text of a domain made once
//   store-bench append FILE STORE  the addresses of a sorted FILE, appended in one transaction
// No account of states, of suppression, of who comes twice; no check of anything.
#include <lmdb.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

void check(int code) {
  if (code == 0) return;
  std::fprintf(stderr, "store-bench: %s\n", mdb_strerror(code));
  std::exit(1);
}

MDB_env* open_store(const char* directory, unsigned flags) {
  MDB_env* env = nullptr;
  check(mdb_env_create(&env));
  check(mdb_env_set_mapsize(env, std::size_t{16} << 30));
  check(mdb_env_set_maxdbs(env, 8));
  check(mdb_env_open(env, directory, flags, 0600));
  return env;
}

MDB_cursor* open_subscribers(MDB_txn* txn, unsigned flags) {
  MDB_dbi table = 0;
  MDB_cursor* cursor = nullptr;
  check(mdb_dbi_open(txn, "subscribers", flags, &table));
  check(mdb_cursor_open(txn, table, &cursor));
  return cursor;
}

std::string_view view(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

char* append(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

// "org\x01example" -> "@example.org\t-"
std::string domain_text(std::string_view labels) {
  std::string text = "@";
  for (;;) {
    const auto one = labels.rfind('\x01');
    text += labels.substr(one + 1);
    if (one == std::string_view::npos) return text + "\t-";
    text += '.';
    labels = labels.substr(0, one);
  }
}

void write_out(const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = write(1, data, size);
    if (written < 0) std::exit(1);
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

void expand(const char* directory) {
  constexpr std::size_t room = std::size_t{128} << 10;
  constexpr std::size_t longest = 4096;
  MDB_env* env = open_store(directory, MDB_RDONLY);
  MDB_txn* txn = nullptr;
  check(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn));
  MDB_cursor* cursor = open_subscribers(txn, 0);
  std::string buffer(room, '\0');
  char* to = buffer.data();
  std::string labels;
  std::string domain;
  MDB_val key{};
  MDB_val value{};
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    const std::string_view text = view(key).substr(4);
    const bool same = text.size() > labels.size() && text[labels.size()] == '\0' &&
                      text.starts_with(labels) && !labels.empty();
    if (!same) {
      labels = text.substr(0, text.find('\0'));
      domain = domain_text(labels);
    }
    to = append(to, "rcpt\t");
    to = append(to, text.substr(labels.size() + 1));
    to = append(to, domain);
    if (value.mv_size > 8) {
      *to++ = '\t';
      to = append(to, view(value).substr(8));
    }
    *to++ = '\n';
    const auto filled = static_cast<std::size_t>(to - buffer.data());
    if (filled > room - longest) {
      write_out(buffer.data(), filled);
      to = buffer.data();
    }
  }
  write_out(buffer.data(), static_cast<std::size_t>(to - buffer.data()));
}

// "ann@lists.example.org" -> list number 1, "org\x01example\x01lists", NUL, "ann"
std::size_t to_key(std::string_view address, char* key) {
  char* to = append(key, std::string_view("\0\0\0\1", 4));
  const auto at = address.rfind('@');
  for (std::string_view rest = address.substr(at + 1);;) {
    const auto dot = rest.rfind('.');
    to = append(to, rest.substr(dot + 1));
    if (dot == std::string_view::npos) break;
    *to++ = '\x01';
    rest = rest.substr(0, dot);
  }
  *to++ = '\0';
  to = append(to, address.substr(0, at));
  return static_cast<std::size_t>(to - key);
}

void append_file(const char* file, const char* directory) {
  std::FILE* in = std::fopen(file, "re");
  if (in == nullptr) std::exit(1);
  MDB_env* env = open_store(directory, 0);
  MDB_txn* txn = nullptr;
  check(mdb_txn_begin(env, nullptr, 0, &txn));
  MDB_cursor* cursor = open_subscribers(txn, MDB_CREATE);
  char* line = nullptr;
  std::size_t room = 0;
  std::string key(1024, '\0');
  std::string packed("\1\0\1\1\1\1\0\0", 8);
  for (ssize_t got = getline(&line, &room, in); got > 1; got = getline(&line, &room, in)) {
    MDB_val key_val{to_key({line, static_cast<std::size_t>(got - 1)}, key.data()), key.data()};
    MDB_val value{packed.size(), packed.data()};
    check(mdb_cursor_put(cursor, &key_val, &value, MDB_APPEND));
  }
  mdb_cursor_close(cursor);
  check(mdb_txn_commit(txn));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "expand" && argc == 3) {
    expand(argv[2]);
  } else if (what == "append" && argc == 4) {
    append_file(argv[2], argv[3]);
  } else {
    std::fputs("store-bench expand STORE | store-bench append FILE STORE\n", stderr);
    return 64;
  }
  return 0;
}
