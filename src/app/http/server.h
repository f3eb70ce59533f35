// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/http/message.h"

namespace medaug::app {

/// Everything a connection may take is bounded here.
struct HttpLimits {
  std::size_t connections = 2048;
  std::size_t header_bytes = 16U << 10;
  std::uint64_t body_bytes = 32ULL << 20;
  std::chrono::milliseconds header_time{10'000};  ///< from the first byte to the empty line
  std::chrono::milliseconds body_time{30'000};
  std::chrono::milliseconds idle_time{60'000};  ///< between two requests of a connection
  std::chrono::milliseconds write_time{60'000};
  std::chrono::milliseconds heartbeat{15'000};  ///< a comment in an event stream that is silent
};

struct HttpOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 7860;  ///< 0 = any free one
  HttpLimits limits = {};
  int handler_threads = 2;
};

/// What is done with a request.
struct HttpHandlers {
  /// Looks at a request before its body is read, on the thread that serves all connections: it must
  /// not block. An answer refuses (the connection is closed if a body would follow) or answers what
  /// needs no body; none = go on.
  std::function<std::optional<Response>(Request& head)> admit;
  /// Answers a request, on one of the handler threads. Must not throw.
  std::function<Response(Request& request)> handle;
};

/// Counts for `/metrics`.
struct HttpCounts {
  std::int64_t connections = 0;
  std::int64_t streams = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;    ///< connections beyond the limit
  std::uint64_t malformed = 0;  ///< requests that are no HTTP
  std::uint64_t timeouts = 0;
};

/// HTTP/1.1 on one thread for all connections (asynchronous, Boost.Beast) and a few for the
/// handlers: slow clients and idle event streams cost memory only. Thread-safe.
class HttpServer {
 public:
  /// Binds and listens. @throws Error kResource when the address cannot be used
  HttpServer(const HttpOptions& options, HttpHandlers handlers);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  /// Serves until `stop`.
  void start();
  /// No new connections; open ones are closed after the answer in hand.
  void drain();
  void stop();
  HttpCounts counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace medaug::app
