// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace medaug {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kQuiet };

/// Plain lines to stderr ("warning: ..."); thread-safe. The level is the only global state of
/// medaug.
void set_log_level(LogLevel level);
LogLevel log_level();
void log(LogLevel level, std::string_view message);
inline void log_debug(std::string_view message) { log(LogLevel::kDebug, message); }
inline void log_info(std::string_view message) { log(LogLevel::kInfo, message); }
inline void log_warning(std::string_view message) { log(LogLevel::kWarning, message); }

}  // namespace medaug
