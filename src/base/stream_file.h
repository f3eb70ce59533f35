// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace medaug {

/// Takes the next piece of a file; the bytes are used before it returns.
using WritePiece = std::function<void(std::string_view piece)>;

/// As `write_file_atomically` (base/files.h), for content that is made while it is written and is
/// never in memory as a whole. When `produce` throws, nothing is left behind and the old file
/// stays.
/// @throws Error kResource (disk full, not writable), and what `produce` throws
void stream_file_atomically(const std::filesystem::path& path,
                            const std::function<void(const WritePiece& write)>& produce);

}  // namespace medaug
