// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace medaug {

/// What went wrong, as the caller must know it. One table (`error.cc`) maps a code to its name,
/// exit status and HTTP status; `docs/ERRORS.md` is printed from it.
enum class ErrorCode {
  kInternal,         ///< a fault of ours
  kUsage,            ///< wrong command line
  kConfig,           ///< wrong configuration
  kInvalidArgument,  ///< wrong argument of a library call
  kData,             ///< manifest, image, mask or caption
  kCheckpoint,       ///< checkpoint missing, damaged or of another kind
  kResource,         ///< disk, memory, lock, device
  kNumeric,          ///< a loss or gradient that is not finite
  kQualityGate,      ///< a required figure was not reached
  kStopped,          ///< stopped by request, state saved
};

/// Stable name, for example "config".
std::string_view name_of(ErrorCode code);
/// Exit status of the program: 0 done, 1 internal, 2 usage, 3 config, 4 data, 5 checkpoint, 6
/// resources, 7 numeric, 8 quality gate, 75 stopped by request, what is finished is kept.
int exit_status(ErrorCode code);
int http_status(ErrorCode code);

/// The one exception type of medaug. `what()` reads "where: message", and the hint on a line of its
/// own.
class Error : public std::runtime_error {
 public:
  /// @param where  file:line:column, tensor or key; may be empty
  /// @param hint   what to do about it; may be empty
  Error(ErrorCode code, std::string_view where, std::string_view message,
        std::string_view hint = {});

  ErrorCode code() const noexcept { return code_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  ErrorCode code_;
  std::string where_;
  std::string message_;
  std::string hint_;
};

/// Guards our own mistakes; no input of a user can reach it.
#define MEDAUG_ASSERT(condition)                                                             \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      throw ::medaug::Error(::medaug::ErrorCode::kInternal, __FILE__, "broken: " #condition, \
                            "please report this");                                           \
    }                                                                                        \
  } while (false)

}  // namespace medaug
