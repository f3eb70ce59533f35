// SPDX-License-Identifier: MIT
#include "app/http/server.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "app/http/session.h"
#include "base/error.h"
#include "base/log.h"

namespace medaug::app {

namespace asio = boost::asio;
using asio::ip::tcp;

class HttpServer::Impl {
 public:
  Impl(const HttpOptions& options, HttpHandlers handlers)
      : options_(options),
        pool_(static_cast<std::size_t>(options.handler_threads)),
        shared_(options.limits, std::move(handlers), pool_.get_executor()),
        acceptor_(io_) {
    listen();
  }

  ~Impl() { stop(); }

  std::uint16_t port() const { return port_; }

  void start() {
    asio::co_spawn(io_, accept_all(), asio::detached);
    thread_ = std::thread([this] {
      while (true) {
        try {
          io_.run();
          return;
        } catch (const std::exception& e) {
          // One connection's fault must not end the others.
          log_warning(std::string("http: ") + e.what());
        }
      }
    });
  }

  void drain() {
    shared_.draining = true;
    asio::post(io_, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
    });
  }

  void stop() {
    drain();
    io_.stop();
    if (thread_.joinable()) {
      thread_.join();
    }
    pool_.join();  // no handler may be left when the connections' coroutines are destroyed
  }

  HttpCounts counts() const {
    const auto& c = shared_.counters;
    return {c.connections, c.streams, c.accepted, c.refused, c.malformed, c.timeouts};
  }

 private:
  void listen() {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) {
      throw Error(ErrorCode::kUsage, "--host", "'" + options_.address + "' is no IP address",
                  "for example 127.0.0.1, 0.0.0.0 or ::1");
    }
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(endpoint, error);
    if (!error) {
      acceptor_.listen(1024, error);
    }
    if (error) {
      throw Error(ErrorCode::kResource, options_.address + ":" + std::to_string(options_.port),
                  "cannot be listened on: " + error.message(),
                  "another program may use the port; choose one with --port");
    }
    port_ = acceptor_.local_endpoint().port();
  }

  asio::awaitable<void> accept_all() {
    while (acceptor_.is_open()) {
      boost::system::error_code error;
      auto socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted) {
        co_return;
      }
      if (error) {  // no descriptor left, most likely: others must be closed first
        asio::steady_timer pause(io_, std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      ++shared_.counters.accepted;
      if (std::cmp_greater_equal(shared_.counters.connections.load(),
                                 options_.limits.connections)) {
        ++shared_.counters.refused;
        continue;  // closes it
      }
      socket.set_option(tcp::no_delay(true), error);
      asio::co_spawn(io_, serve_connection(std::move(socket), shared_), asio::detached);
    }
  }

  HttpOptions options_;
  // In this order: connections live in `io_`, use `shared_` and run their handlers in `pool_`.
  asio::thread_pool pool_;
  SessionShared shared_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

HttpServer::HttpServer(const HttpOptions& options, HttpHandlers handlers)
    : impl_(std::make_unique<Impl>(options, std::move(handlers))) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return impl_->port(); }
void HttpServer::start() { impl_->start(); }
void HttpServer::drain() { impl_->drain(); }
void HttpServer::stop() { impl_->stop(); }
HttpCounts HttpServer::counts() const { return impl_->counts(); }

}  // namespace medaug::app
