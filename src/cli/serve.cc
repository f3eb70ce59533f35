// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <qrencode.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/service.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stop.h"
#include "cli/run.h"
#include "cli/version.h"
#include "config/concat.h"
#include "training/setup.h"

namespace medaug::cli {
namespace {

namespace fs = std::filesystem;

/// Addresses of this machine in its networks, loopback left out.
std::vector<std::string> own_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) {
    return addresses;
  }
  for (const auto* one = first; one != nullptr; one = one->ifa_next) {
    const bool usable = one->ifa_addr != nullptr && one->ifa_addr->sa_family == AF_INET &&
                        (one->ifa_flags & IFF_LOOPBACK) == 0 && (one->ifa_flags & IFF_UP) != 0;
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* const address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (usable && inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()) != nullptr) {
      addresses.emplace_back(text.data());
    }
  }
  freeifaddrs(first);
  return addresses;
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// Two rows of dots to a line of the terminal.
std::string qr_code(const std::string& text) {
  const std::unique_ptr<QRcode, void (*)(QRcode*)> code(
      QRcode_encodeString8bit(text.c_str(), 0, QR_ECLEVEL_M), QRcode_free);
  if (!code) {
    return "";
  }
  constexpr int kMargin = 2;
  const auto dark = [&](int x, int y) {
    const bool inside = x >= 0 && y >= 0 && x < code->width && y < code->width;
    return inside && (code->data[y * code->width + x] & 1U) != 0;
  };
  // Light on dark terminals: what is dark in the code stays empty, the rest is drawn.
  std::string out;
  for (int y = -kMargin; y < code->width + kMargin; y += 2) {
    out += "  ";
    for (int x = -kMargin; x < code->width + kMargin; ++x) {
      const bool upper = !dark(x, y), lower = !dark(x, y + 1);
      out += upper && lower ? "\u2588" : upper ? "\u2580" : lower ? "\u2584" : " ";
    }
    out += "\n";
  }
  return out;
}

std::string token_of(const ServeCommand& options) {
  const char* const given = std::getenv("MEDAUG_TOKEN");
  const std::string token = given == nullptr ? "" : given;
  ::unsetenv("MEDAUG_TOKEN");  // not for child processes, and not for /proc/self/environ readers
  return options.lan && token.empty() ? app::new_token() : token;
}

app::ServiceOptions service_options(const ServeCommand& options) {
  app::ServiceOptions service;
  service.model.checkpoint = options.checkpoint;
  service.model.segmenter = options.segmenter;
  service.model.training = options.training;
  service.model.held_out = options.held_out;
  const auto device = enum_from_name<DeviceChoice>(options.device).value_or(DeviceChoice::kAuto);
  service.model.generator.device = pick_device(device, "--device");
  service.model.generator.dtype = options.precision == "float32" ? at::kFloat : at::kBFloat16;
  service.model.version = version_json().at("version").get<std::string>();
  service.model.precision = options.precision;
  service.http.address = options.lan ? "0.0.0.0" : options.host;
  service.http.port = static_cast<std::uint16_t>(options.port);
  service.token = token_of(options);
  service.allow_hosts = options.allow_hosts;
  if (options.lan) {
    const auto addresses = own_addresses();
    service.allow_hosts.insert(service.allow_hosts.end(), addresses.begin(), addresses.end());
    service.allow_hosts.push_back(host_name());
  }
  service.history = options.history;
  service.budget = {options.history_mb << 20, options.history_days};
  service.queue.most_waiting = static_cast<std::size_t>(options.queue);
  service.runs = options.runs;
  service.evaluation_root = options.root;
  for (const auto& [flag, folder] :
       {std::pair{"--runs", &options.runs}, {"--root", &options.root}}) {
    if (!folder->empty() && !fs::is_directory(*folder)) {
      throw Error(ErrorCode::kUsage, flag, *folder + " is no folder", "");
    }
  }
  return service;
}

/// Where the page is, for people.
std::string greeting(const ServeCommand& options, std::uint16_t port, const std::string& token) {
  const auto number = std::to_string(port);
  const auto fragment = token.empty() ? "" : "/#token=" + token;
  if (!options.lan) {
    const bool v6 = options.host.find(':') != std::string::npos;
    return concat({"http://", v6 ? "[" : "", options.host, v6 ? "]" : "", ":", number, fragment});
  }
  std::string text;
  const auto addresses = own_addresses();
  for (const auto& address : addresses) {
    text += concat({"http://", address, ":", number, fragment, "\n"});
  }
  if (!addresses.empty()) {
    text += qr_code(concat({"http://", addresses.front(), ":", number, fragment}));
  }
  return text + concat({"whoever has this address can use the server; it is shown only now\n"
                        "safer over other networks:\n  ssh -L ",
                        number, ":127.0.0.1:", number, " ", host_name(),
                        "\n  then http://127.0.0.1:", number, fragment});
}

}  // namespace

int run(const Globals& globals, const ServeCommand& options) {
  const auto service_settings = service_options(options);
  install_stop_signals();
  install_reload_signal();
  app::Service service(service_settings);
  if (globals.json) {
    // One line: whoever started this waits for it.
    std::cout << Json{{"port", service.port()}, {"host", service_settings.http.address}}.dump()
              << std::endl;
  } else {
    std::cout << greeting(options, service.port(), service_settings.token) << std::endl;
  }
  if (!globals.quiet) {
    log_info("Ctrl+C ends it; SIGHUP loads the checkpoint again");
  }
  while (!stop_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (take_reload_request()) {
      try {
        service.reload();
        log_info("the checkpoint was loaded again");
      } catch (const Error& e) {
        log_warning(std::string("the old checkpoint stays: ") + e.what());
      }
    }
  }
  log_info("stopping: accepted jobs are finished first");
  const bool all = service.shut_down(std::chrono::seconds(options.drain_seconds));
  if (!all) {
    log_warning("jobs that were not finished go on when the server is started again");
  }
  return 0;
}

}  // namespace medaug::cli
