// SPDX-License-Identifier: MIT
#include "base/error.h"

#include <array>

namespace medaug {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  int exit_status;
  int http_status;
};

constexpr std::array<Row, 10> kTable{{
    {ErrorCode::kInternal, "internal", 1, 500},
    {ErrorCode::kUsage, "usage", 2, 400},
    {ErrorCode::kConfig, "config", 3, 400},
    {ErrorCode::kInvalidArgument, "invalid_argument", 2, 400},
    {ErrorCode::kData, "data", 4, 400},
    {ErrorCode::kCheckpoint, "checkpoint", 5, 409},
    {ErrorCode::kResource, "resource", 6, 503},
    {ErrorCode::kNumeric, "numeric", 7, 500},
    {ErrorCode::kQualityGate, "quality_gate", 8, 422},
    {ErrorCode::kStopped, "stopped", 75, 503},
}};

const Row& row_of(ErrorCode code) {
  for (const auto& row : kTable) {
    if (row.code == code) {
      return row;
    }
  }
  return kTable.front();
}

std::string compose(std::string_view where, std::string_view message, std::string_view hint) {
  std::string text;
  if (!where.empty()) {
    text.append(where).append(": ");
  }
  text.append(message);
  if (!hint.empty()) {
    text.append("\n  ").append(hint);
  }
  return text;
}

}  // namespace

std::string_view name_of(ErrorCode code) { return row_of(code).name; }
int exit_status(ErrorCode code) { return row_of(code).exit_status; }
int http_status(ErrorCode code) { return row_of(code).http_status; }

Error::Error(ErrorCode code, std::string_view where, std::string_view message,
             std::string_view hint)
    : std::runtime_error(compose(where, message, hint)),
      code_(code),
      where_(where),
      message_(message),
      hint_(hint) {}

}  // namespace medaug
