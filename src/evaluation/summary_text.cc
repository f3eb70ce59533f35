// SPDX-License-Identifier: MIT
#include "evaluation/summary_text.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "evaluation/sections.h"

namespace medaug {
namespace {

constexpr std::size_t kLine = 70;
constexpr std::size_t kLongest = 4000;  // bytes of one value: a command line may be long

/// Chinese, Japanese and Korean characters take two columns of a terminal.
std::size_t columns_of(char32_t c) {
  const bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
                    (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
                    (c >= 0xFE30 && c <= 0xFE4F) || (c >= 0xFF00 && c <= 0xFF60) ||
                    (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF);
  return wide ? 2 : 1;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto point = decode_utf8(text, at);
    width += columns_of(point.value);
    at += std::max<std::size_t>(1, point.length);
  }
  return width;
}

/// Broken into lines of the console: between words, and after any Chinese character.
std::string wrapped(const std::string& text, const std::string& indent) {
  std::string out = indent;
  std::size_t column = indent.size();
  const auto put = [&](std::string_view word) {
    const auto width = width_of(word);
    if (column + width > kLine && column > indent.size()) {
      out.erase(out.find_last_not_of(' ') + 1);
      out.append("\n").append(indent);
      column = indent.size();
    }
    out.append(column == indent.size() && word == " " ? "" : word);
    column += width;
  };
  std::string word;
  for (std::size_t at = 0; at < text.size();) {
    const auto point = decode_utf8(text, at);
    const auto piece = text.substr(at, std::max<std::size_t>(1, point.length));
    at += piece.size();
    if (piece == " " || columns_of(point.value) == 2) {
      // A full stop or a comma stays with what it ends.
      const bool mark = point.value == U'，' || point.value == U'。' || point.value == U'；' ||
                        point.value == U'：' || point.value == U'）' || point.value == U'」';
      if (mark) {
        word += piece;
      }
      put(word);
      word.clear();
      if (piece == " ") {
        put(piece);
      } else if (!mark) {
        word = piece;
      }
    } else {
      word += piece;
    }
  }
  put(word);
  return out + "\n";
}

class Console {
 public:
  explicit Console(Language language) : language_(language) {}

  std::string text(std::string_view key) const { return std::string(text_of(key, language_)); }

  std::string text(const Cell& cell) const {
    std::string out;
    for (const auto& part : cell) {
      out += part.key.empty() ? printable(part.data, kLongest) : text(part.key);
    }
    return out;
  }

  /// "PSNR (dB): 32.45 ± 2.31 (good)", and a line with the rest.
  std::string measures(const ReportBlock& block) const {
    std::string out;
    for (const auto& row : block.rows) {
      out += text(row[kMeasure]) + ": " + text(row[kMean]);
      out += row[kBand].empty() ? "" : " (" + text(row[kBand]) + ")";
      out += "\n  " + text("head.range") + ": " + text(row[kRange]) + "  " + text("head.median") +
             ": " + text(row[kMedian]) + "\n  " + text("head.ci95") + ": " + text(row[kInterval]) +
             "  n = " + text(row[kCount]) + "\n";
    }
    return out;
  }

  std::string facts(const ReportBlock& block) const {
    std::string out;
    for (const auto& row : block.rows) {
      out += text(row[0]) + ": " + text(row[1]) + "\n";
    }
    return out;
  }

  std::string table(const ReportBlock& block) const {
    std::vector<std::vector<std::string>> lines;
    const auto add = [&](const std::vector<Cell>& cells) {
      lines.emplace_back();
      for (const auto& cell : cells) {
        lines.back().push_back(text(cell));
      }
    };
    add(block.head);
    std::for_each(block.rows.begin(), block.rows.end(), add);
    std::string out;
    for (const auto& line : lines) {
      std::string row = "  ";
      for (std::size_t i = 0; i < line.size(); ++i) {
        const auto width = std::accumulate(
            lines.begin(), lines.end(), std::size_t{0}, [&](std::size_t w, const auto& other) {
              return i < other.size() ? std::max(w, width_of(other[i])) : w;
            });
        row += line[i] + std::string(width - width_of(line[i]) + 2, ' ');
      }
      out += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
    }
    return out;
  }

  std::string section(const Section& section) const {
    const auto title = text(section.title);
    std::string out =
        "\n" + (language_ == Language::kChinese ? "【" + title + "】" : "[" + title + "]") + "\n";
    for (const auto& block : section.blocks) {
      if (!block.on_console) {
        continue;
      }
      out += block.caption.empty() ? "" : "- " + text(block.caption) + "\n";
      out += block.kind == BlockKind::kMeasures ? measures(block)
             : block.kind == BlockKind::kFacts  ? facts(block)
                                                : table(block);
    }
    for (const auto& note : section.notes) {
      out += wrapped(text(note), "    ").replace(2, 1, "*");
    }
    return out;
  }

 private:
  Language language_;
};

}  // namespace

std::string summary_text(const Json& evaluation, Language language) {
  const Console console(language);
  const std::string rule(kLine, '=');
  std::string out = rule + "\n" + console.text("title") + "\n" + rule + "\n";
  for (const auto& section : sections_of(evaluation)) {
    if (!section.on_console) {
      continue;
    }
    out +=
        section.id == "overview" ? console.facts(section.blocks.front()) : console.section(section);
  }
  return out + rule + "\n";
}

}  // namespace medaug
