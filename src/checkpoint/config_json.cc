// SPDX-License-Identifier: MIT
#include "checkpoint/config_json.h"

#include <cstdint>

#include "base/files.h"
#include "base/strings.h"

namespace medaug {
namespace {

constexpr std::int64_t kMostBytes = 1 << 20;

}  // namespace

nlohmann::ordered_json read_config_json(const std::filesystem::path& path) {
  const auto where = printable(path.string(), 1000);
  auto json = parse_json(read_file(path, kMostBytes, ErrorCode::kCheckpoint), where,
                         {.code = ErrorCode::kCheckpoint});
  if (!json.is_object()) {
    throw Error(ErrorCode::kCheckpoint, where, "is not a JSON object");
  }
  return json;
}

}  // namespace medaug
