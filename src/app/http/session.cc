// SPDX-License-Identifier: MIT
#include "app/http/session.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <random>

#include "base/ascii.h"

namespace medaug::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

template <class T = void>
using Async = asio::awaitable<T>;

constexpr std::size_t kReadAhead = 64U << 10;

std::string new_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(random()));
  return text.data();
}

/// What a parser's complaint is to the client.
Problem problem_of(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return {431, "too_large", "the request's header is too large"};
  }
  if (error == http::error::body_limit) {
    return {413, "too_large", "the request's body is too large"};
  }
  return {400, "invalid_request", "this is no valid HTTP/1.1 request: " + error.message()};
}

bool is_timeout(const error_code& error) { return error == beast::error::timeout; }

/// A bell that any thread can ring and the connection's coroutine waits for.
class Bell : public std::enable_shared_from_this<Bell> {
 public:
  explicit Bell(asio::any_io_executor executor) : timer_(executor) {}

  /// From any thread.
  std::function<void()> ringer() {
    return [weak = weak_from_this(), executor = timer_.get_executor()] {
      asio::post(executor, [weak] {
        if (const auto self = weak.lock()) {
          self->ring();
        }
      });
    };
  }
  void ring() {
    rung_ = true;
    timer_.cancel();
  }
  /// True when it rang, false after `longest`.
  Async<bool> wait(std::chrono::milliseconds longest) {
    if (!rung_) {
      timer_.expires_after(longest);
      error_code ignored;
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    co_return std::exchange(rung_, false);
  }

 private:
  asio::steady_timer timer_;
  bool rung_ = false;
};

/// What an event stream gave.
struct Taken {
  std::string bytes;
  bool ended = false;
};

const std::string kStillHere = ": still here\n\n";

/// Counts while it lives.
class Counted {
 public:
  explicit Counted(std::atomic<std::int64_t>& counter) : counter_(counter) { ++counter_; }
  ~Counted() { --counter_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::atomic<std::int64_t>& counter_;
};

class Session {
 public:
  Session(asio::ip::tcp::socket socket, SessionShared& shared)
      : stream_(std::move(socket)),
        shared_(shared),
        counted_(shared.counters.connections),
        bell_(std::make_shared<Bell>(stream_.get_executor())) {
    error_code ignored;
    peer_ = stream_.socket().remote_endpoint(ignored).address().to_string();
  }

  Async<> run() {
    bool first = true;
    while (co_await next_request(first)) {
      first = false;
    }
    co_await close();
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  /// One request and its answer. False = the connection ends.
  Async<bool> next_request(bool first) {
    if (!first && buffer_.size() == 0 && !co_await something_arrives()) {
      co_return false;
    }
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(shared_.limits.header_bytes));
    parser.body_limit(shared_.limits.body_bytes);
    error_code error;
    stream_.expires_after(shared_.limits.header_time);
    co_await http::async_read_header(stream_, buffer_, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      co_return co_await refuse(error, "");
    }
    Request request;
    request.id = new_request_id();
    request.peer = peer_;
    if (const auto problem = take_head(parser.get(), request)) {
      ++shared_.counters.malformed;
      co_await send_problem(*problem, request.id);
      co_return false;
    }
    const bool has_body = !parser.is_done();
    if (const auto length = parser.content_length()) {
      request.body_bytes = *length;
    }
    keep_alive_ = parser.keep_alive() && !shared_.draining;
    head_only_ = request.method == "HEAD";
    if (auto early = shared_.handlers.admit(request)) {
      keep_alive_ = keep_alive_ && !has_body;
      co_return co_await answer(*early, request.id);
    }
    if (has_body) {
      if (!co_await read_body(parser, request)) {
        co_return false;
      }
    }
    Response response = co_await handled(request);
    co_return co_await answer(response, request.id);
  }

  Async<bool> something_arrives() {
    error_code error;
    stream_.expires_after(shared_.limits.idle_time);
    const auto room = buffer_.prepare(4096);
    const auto got =
        co_await stream_.async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
    buffer_.commit(got);
    co_return !error && !shared_.draining;
  }

  static std::optional<Problem> take_head(const http::request<http::string_body>& head,
                                          Request& request) {
    request.method = std::string(head.method_string());
    request.target = std::string(head.target());
    int hosts = 0;
    for (const auto& field : head) {
      const auto name = ascii_lower({field.name_string().data(), field.name_string().size()});
      hosts += name == "host" ? 1 : 0;
      auto& value = request.headers[name];
      value += (value.empty() ? "" : ", ") + std::string(field.value());
    }
    if (head.version() != 11 && head.version() != 10) {
      return Problem{505, "invalid_request", "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    }
    if (hosts != 1) {
      return Problem{400, "invalid_request", "a request needs one Host header"};
    }
    const bool chunked = request.headers.count("transfer-encoding") > 0;
    if (chunked && request.headers.count("content-length") > 0) {
      return Problem{400, "invalid_request",
                     "Content-Length and Transfer-Encoding exclude each other"};
    }
    if (request.target.size() > 8192) {
      return Problem{414, "too_large", "the address is too long"};
    }
    if (!split_target(request)) {
      return Problem{400, "invalid_request", "the address is malformed"};
    }
    return std::nullopt;
  }

  Async<bool> read_body(Parser& parser, Request& request) {
    error_code error;
    if (ascii_lower(request.header("expect")) == "100-continue") {
      stream_.expires_after(shared_.limits.write_time);
      http::response<http::empty_body> go_on{http::status::continue_, 11};
      co_await http::async_write(stream_, go_on, asio::redirect_error(asio::use_awaitable, error));
    }
    stream_.expires_after(shared_.limits.body_time);
    co_await http::async_read(stream_, buffer_, parser,
                              asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      co_return co_await refuse(error, request.id);
    }
    request.body = std::move(parser.get().body());
    co_return true;
  }

  /// Says why and ends the connection; silently when the other end has gone.
  Async<bool> refuse(const error_code& error, const std::string& id) {
    if (is_timeout(error)) {
      ++shared_.counters.timeouts;
      co_return false;  // the stream is closed already
    }
    const bool gone = error == http::error::end_of_stream || error == asio::error::eof ||
                      error == asio::error::connection_reset ||
                      error == asio::error::operation_aborted ||
                      error == http::error::partial_message;
    if (!gone) {
      ++shared_.counters.malformed;
      co_await send_problem(problem_of(error), id);
    }
    co_return false;
  }

  Async<> send_problem(const Problem& problem, const std::string& id) {
    keep_alive_ = false;
    auto response = problem_response(problem, id);
    co_await answer(response, id);
  }

  // GCC 12 destroys temporaries in the arguments of a co_await twice: what is awaited
  // here takes references and lambdas that capture plain pointers.

  /// Runs `work` on a handler's thread: it may read files or decode pictures. The coroutine itself
  /// stays on the connections' thread.
  template <class Work>
  Async<std::invoke_result_t<Work>> elsewhere(const Work& work) {
    using Result = std::invoke_result_t<Work>;
    const auto run = [](const Work* job) -> Async<Result> { co_return (*job)(); };
    auto task = run(&work);
    co_return co_await asio::co_spawn(shared_.pool, std::move(task), asio::use_awaitable);
  }

  Async<Response> handled(Request& request) {
    auto* const handle = &shared_.handlers.handle;
    auto* const asked = &request;
    const auto work = [handle, asked] { return (*handle)(*asked); };
    co_return co_await elsewhere(work);
  }

  Async<bool> answer(Response& response, const std::string& id) {
    if (response.pending) {
      const auto pending = std::move(response.pending);
      std::optional<Response> ready = co_await awaited(pending);
      if (!ready) {
        co_return false;
      }
      response = std::move(*ready);
    }
    if (response.stream) {
      co_await send_stream(response, id);
      co_return false;
    }
    error_code error;
    auto message = message_of(response, id);
    message.prepare_payload();
    if (head_only_) {
      message.body().clear();  // the length stays
    }
    stream_.expires_after(shared_.limits.write_time);
    co_await http::async_write(stream_, message, asio::redirect_error(asio::use_awaitable, error));
    co_return !error && message.keep_alive();
  }

  http::response<http::string_body> message_of(Response& response, const std::string& id) const {
    http::response<http::string_body> message;
    message.version(11);
    message.result(static_cast<unsigned>(response.status));
    message.keep_alive(keep_alive_);
    for (const auto& [name, value] : response.headers) {
      message.insert(name, value);
    }
    message.set("X-Request-Id", id);
    message.body() = std::move(response.body);
    return message;
  }

  /// Rings the bell when the other end goes away while nothing is read from it.
  void watch_for_hang_up() {
    auto gone = gone_;
    const std::weak_ptr<Bell> of_session = bell_;
    stream_.socket().async_wait(asio::ip::tcp::socket::wait_read, [this, gone,
                                                                   of_session](error_code error) {
      const auto bell = of_session.lock();
      if (error || !bell) {  // without a bell there is no session any more
        return;
      }
      char byte = 0;
      const auto got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        watch_for_hang_up();  // readiness of before
      } else if (got <= 0) {  // a further request may wait here, too: that is no hang-up
        *gone = true;
        bell->ring();
      }
    });
  }

  /// The answer when it is ready; nothing when the other end has gone.
  Async<std::optional<Response>> awaited(const std::shared_ptr<PendingResponse>& pending) {
    *gone_ = false;
    pending->wake_with(bell_->ringer());
    watch_for_hang_up();
    auto* const source = pending.get();
    const auto take = [source] { return source->take(); };
    while (!*gone_) {
      std::optional<Response> response = co_await elsewhere(take);
      if (response) {
        error_code ignored;
        stream_.socket().cancel(ignored);
        co_return response;
      }
      co_await bell_->wait(shared_.limits.heartbeat);
    }
    co_return std::nullopt;
  }

  Async<> send_stream(Response& response, const std::string& id) {
    const Counted counted(shared_.counters.streams);
    const auto events = std::move(response.stream);
    error_code error;
    keep_alive_ = false;
    auto whole = message_of(response, id);
    http::response<http::empty_body> head{std::move(whole.base())};
    head.set(http::field::content_type, "text/event-stream");
    http::response_serializer<http::empty_body> serializer{head};
    stream_.expires_after(shared_.limits.write_time);
    co_await http::async_write_header(stream_, serializer,
                                      asio::redirect_error(asio::use_awaitable, error));
    *gone_ = false;
    events->wake_with(bell_->ringer());
    watch_for_hang_up();
    const auto poll = events->poll_every();
    const auto pause = poll.count() > 0 ? poll : shared_.limits.heartbeat;
    auto last_sent = std::chrono::steady_clock::now();
    bool ended = false;
    auto* const source = events.get();
    const auto take = [source] {
      Taken some;
      some.bytes = source->take(some.ended);
      return some;
    };
    while (!error && !ended && !*gone_) {
      const Taken taken = co_await elsewhere(take);
      ended = taken.ended;
      const bool silent = taken.bytes.empty() &&
                          std::chrono::steady_clock::now() - last_sent >= shared_.limits.heartbeat;
      const std::string& bytes = silent ? kStillHere : taken.bytes;
      if (!bytes.empty()) {
        stream_.expires_after(shared_.limits.write_time);
        co_await asio::async_write(stream_, asio::buffer(bytes),
                                   asio::redirect_error(asio::use_awaitable, error));
        last_sent = std::chrono::steady_clock::now();
      }
      if (!ended && !error) {
        stream_.expires_never();
        co_await bell_->wait(pause);
      }
    }
  }

  /// Half closes, so that an answer to a refused body is read before the reset comes.
  Async<> close() {
    error_code error;
    auto& socket = stream_.socket();
    socket.shutdown(asio::ip::tcp::socket::shutdown_send, error);
    std::array<char, 4096> rest{};
    stream_.expires_after(std::chrono::seconds(1));
    for (int i = 0; !error && i < 256; ++i) {
      co_await stream_.async_read_some(asio::buffer(rest),
                                       asio::redirect_error(asio::use_awaitable, error));
    }
    stream_.close();
  }

  beast::tcp_stream stream_;
  SessionShared& shared_;
  Counted counted_;
  beast::flat_buffer buffer_{kReadAhead};
  std::shared_ptr<Bell> bell_;
  std::shared_ptr<bool> gone_ = std::make_shared<bool>(false);
  std::string peer_;
  bool keep_alive_ = true;
  bool head_only_ = false;
};

}  // namespace

asio::awaitable<void> serve_connection(asio::ip::tcp::socket socket, SessionShared& shared) {
  Session session(std::move(socket), shared);
  try {
    co_await session.run();
  } catch (const boost::system::system_error&) {
    // the connection is gone; nobody is left to be told
  }
}

}  // namespace medaug::app
