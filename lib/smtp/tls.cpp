#include "smtp/tls.hpp"

#include <arpa/inet.h>
#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace ml {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Free<SSL_free>>;
using Resumable = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;

// The first thing that went wrong; the queue of this thread is empty afterwards.
std::string first_error() {
  const auto code = ERR_peek_error();
  const char* reason =
      ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "no reason is known" : reason;
}

bool is_address(const std::string& host) {
  in6_addr room{};
  return inet_pton(AF_INET, host.c_str(), &room) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &room) == 1;
}

// A module that openssl.cnf names and that cannot be loaded takes nothing along: what else it asks
// for holds.
void read_settings() {
  const std::unique_ptr<OPENSSL_INIT_SETTINGS, Free<OPENSSL_INIT_free>> settings(
      OPENSSL_INIT_new());
  OPENSSL_INIT_set_config_file_flags(settings.get(), CONF_MFLAGS_DEFAULT_SECTION |
                                                         CONF_MFLAGS_IGNORE_MISSING_FILE |
                                                         CONF_MFLAGS_IGNORE_ERRORS);
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, settings.get());
}

// There is nobody to ask at a terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

Result<> use_authorities(SSL_CTX* context, const std::string& file) {
  if (file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    return retry("no certificate of an authority can be read from {}: {}", file, first_error());
  }
  return {};
}

Result<> use_certificate(SSL_CTX* context, const std::string& file) {
  if (file.empty()) return {};
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (SSL_CTX_use_certificate_chain_file(context, file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return retry("no certificate with its key can be read from {}: {}", file, first_error());
  }
  return {};
}

bool names_its_host(SSL* connection, const std::string& host) {
  return is_address(host) ||
         SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
}

bool expects(SSL* connection, const std::string& host, const std::vector<std::string>& identities) {
  SSL_set_hostflags(connection, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!identities.empty()) {
    return std::ranges::all_of(identities, [&](const std::string& identity) {
      return SSL_add1_host(connection, identity.c_str()) == 1;
    });
  }
  if (!is_address(host)) return SSL_set1_host(connection, host.c_str()) == 1;
  return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), host.c_str()) == 1;
}

}  // namespace

// What OpenSSL calls for dlopen in a program that is linked statically (Makefile).
extern "C" void* __wrap_dlopen(const char*, int) {  // NOLINT(*-reserved-identifier)
  return nullptr;
}

// ---- the client

struct TlsClient::Inside {
  Context context;
  Resumable session;  // of the last connection that got one

  static int keep_session(SSL* connection, SSL_SESSION* session) {
    auto* const inside = static_cast<Inside*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
    inside->session.reset(session);
    return 1;
  }
};

TlsClient::TlsClient(TlsTerms terms) : terms_(std::move(terms)) {
  if (terms_.host.ends_with('.')) terms_.host.pop_back();
}

TlsClient::~TlsClient() = default;

Result<> TlsClient::prepare() {
  if (inside_) return {};
  read_settings();
  ERR_clear_error();
  auto inside = std::make_unique<Inside>();
  inside->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = inside->context.get();
  if (context == nullptr) return retry("OpenSSL cannot be used: {}", first_error());
  // The system's openssl.cnf may ask for more, never for less.
  if (SSL_CTX_get_min_proto_version(context) < TLS1_2_VERSION) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context, inside.get());
  SSL_CTX_sess_set_new_cb(context, Inside::keep_session);
  if (terms_.trust == TlsTerms::Trust::verified) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (auto used = use_authorities(context, terms_.authorities); !used) return used;
  }
  if (auto used = use_certificate(context, terms_.certificate); !used) return used;
  inside_ = std::move(inside);
  return {};
}

// ---- the stream

struct TlsStream::Inside {
  Connection connection;
};

TlsStream::TlsStream(TlsClient& client, int socket) : inside_(std::make_unique<Inside>()) {
  if (auto prepared = client.prepare(); !prepared) {
    why_ = prepared.error().text;
    return;
  }
  const std::string& host = client.terms_.host;
  SSL* const connection = SSL_new(client.inside_->context.get());
  inside_->connection.reset(connection);
  const bool works = connection != nullptr && SSL_set_fd(connection, socket) == 1 &&
                     names_its_host(connection, host) &&
                     expects(connection, host, client.terms_.identities);
  if (!works) {
    why_ = "OpenSSL cannot be used: " + first_error();
    inside_->connection.reset();
    return;
  }
  if (const auto& session = client.inside_->session) SSL_set_session(connection, session.get());
}

// Without the goodbye OpenSSL would not resume the session.
TlsStream::~TlsStream() {
  if (is_sound_) SSL_shutdown(inside_->connection.get());
  ERR_clear_error();
}

TlsStream::State TlsStream::state_after(int result) {
  SSL* const connection = inside_->connection.get();
  const int code = errno;
  switch (SSL_get_error(connection, result)) {
    case SSL_ERROR_NONE: return State::done;
    case SSL_ERROR_WANT_READ: awaited_ = POLLIN; return State::waiting;
    case SSL_ERROR_WANT_WRITE: awaited_ = POLLOUT; return State::waiting;
    case SSL_ERROR_ZERO_RETURN: return State::closed;
    case SSL_ERROR_SYSCALL:
      is_sound_ = false;
      why_ = code == 0 ? "the connection was cut" : std::strerror(code);
      ERR_clear_error();
      return State::cut;
    default: break;
  }
  is_sound_ = false;
  if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    why_ = "the connection was cut";
    ERR_clear_error();
    return State::cut;
  }
  const auto verdict = SSL_get_verify_result(connection);
  why_ = "TLS: " + first_error();
  if (verdict != X509_V_OK && SSL_get_verify_mode(connection) != SSL_VERIFY_NONE) {
    why_ =
        fmt::format("its certificate is not trusted: {}", X509_verify_cert_error_string(verdict));
  }
  return State::failed;
}

TlsStream::State TlsStream::shake_hands() {
  if (!inside_->connection) return State::failed;
  ERR_clear_error();
  errno = 0;
  const State state = state_after(SSL_connect(inside_->connection.get()));
  if (state == State::done) is_sound_ = true;
  if (state != State::closed) return state;
  why_ = "the relay closed the connection";
  return State::cut;
}

TlsStream::Moved TlsStream::read(std::span<char> room) {
  ERR_clear_error();
  errno = 0;
  std::size_t octets = 0;
  const int result = SSL_read_ex(inside_->connection.get(), room.data(), room.size(), &octets);
  return {state_after(result), octets};
}

TlsStream::Moved TlsStream::write(std::string_view octets) {
  ERR_clear_error();
  errno = 0;
  std::size_t written = 0;
  const int result =
      SSL_write_ex(inside_->connection.get(), octets.data(), octets.size(), &written);
  return {state_after(result), written};
}

}  // namespace ml
