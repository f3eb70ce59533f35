// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace medaug::internal {

inline constexpr std::size_t kMaxLineBytes = 1 << 20;

/// Lines of a file, without the byte order mark, CR and LF; a line over the limit is skipped and
/// reported.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& path) : in_(path, std::ios::binary) {
    char mark[3] = {};
    in_.read(mark, 3);
    utf16_ = in_.gcount() >= 2 &&
             ((mark[0] == '\xFF' && mark[1] == '\xFE') || (mark[0] == '\xFE' && mark[1] == '\xFF'));
    const bool bom = in_.gcount() == 3 && std::string_view(mark, 3) == "\xEF\xBB\xBF";
    in_.clear();
    in_.seekg(bom ? 3 : 0);
  }

  /// False when the file could not be opened, or reading failed before its end.
  bool good() const { return in_.is_open() && !in_.bad(); }
  bool utf16() const { return utf16_; }

  enum class Result { kLine, kTooLong, kEnd };
  Result next(std::string& line) {
    line.clear();
    bool too_long = false;
    int c = in_.get();
    if (c == EOF) {
      return Result::kEnd;
    }
    for (; c != EOF && c != '\n'; c = in_.get()) {
      too_long = too_long || line.size() >= kMaxLineBytes;
      if (!too_long) {
        line.push_back(static_cast<char>(c));
      }
    }
    ended_ = c == '\n';
    if (!line.empty() && line.back() == '\r') {
      line.pop_back();
    }
    return too_long ? Result::kTooLong : Result::kLine;
  }
  /// Whether the last line was closed by a newline.
  bool ended() const { return ended_; }

 private:
  std::ifstream in_;
  bool utf16_ = false;
  bool ended_ = true;
};

/// Why a line that is no JSON object looks as it does.
/// @param ended  whether a newline closed the line
std::string syntax_hint(std::string_view line, bool ended);

}  // namespace medaug::internal
