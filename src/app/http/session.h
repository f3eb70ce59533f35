// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>

#include "app/http/server.h"

namespace medaug::app {

struct HttpCounters {
  std::atomic<std::int64_t> connections{0};
  std::atomic<std::int64_t> streams{0};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> malformed{0};
  std::atomic<std::uint64_t> timeouts{0};
};

/// What all connections of a server share.
struct SessionShared {
  SessionShared(const HttpLimits& bounds, HttpHandlers functions,
                boost::asio::thread_pool::executor_type threads)
      : limits(bounds), handlers(std::move(functions)), pool(threads) {}

  HttpLimits limits;
  HttpHandlers handlers;
  boost::asio::thread_pool::executor_type pool;
  HttpCounters counters;
  std::atomic<bool> draining{false};
};

/// One connection from its first byte to its last.
boost::asio::awaitable<void> serve_connection(boost::asio::ip::tcp::socket socket,
                                              SessionShared& shared);

}  // namespace medaug::app
