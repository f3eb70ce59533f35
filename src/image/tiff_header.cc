// SPDX-License-Identifier: MIT
#include "image/tiff_header.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

namespace medaug::internal {
namespace {

constexpr std::size_t kMaxPages = 64;
constexpr std::uint64_t kMaxStrips = 1 << 20;
constexpr int kSubfileType = 254;
// Where strips and tiles lie and how long they are; of every other tag one value is enough.
constexpr int kLists[] = {273, 279, 324, 325};
constexpr int kUsed[] = {kSubfileType, 256, 257, 258, 259, 262, 273, 274,
                         277,          279, 284, 324, 325, 338, 339};
constexpr const char* kAgain = "copy or download it again";

using Values = std::vector<std::uint64_t>;
using Tags = std::map<int, Values>;

class DirectoryReader {
 public:
  explicit DirectoryReader(const DecodeRequest& request)
      : request_(request), bytes_(request.bytes), little_(bytes_[0] == 'I') {}

  std::vector<Tags> pages() {
    std::vector<Tags> out;
    std::set<std::uint64_t> seen;
    std::uint64_t offset = u(4, 4);
    while (offset != 0) {
      if (!seen.insert(offset).second) {
        refuse(request_.where,
               "the TIFF's directory at byte " + std::to_string(offset) + " points back to itself");
      }
      if (seen.size() > kMaxPages) {
        refuse(request_.where, "the TIFF has more than " + std::to_string(kMaxPages) + " pages",
               "save each page as a file of its own");
      }
      out.push_back(directory(offset, out.empty()));
    }
    return out;
  }

 private:
  std::uint64_t u(std::uint64_t offset, std::size_t count) const {
    if (offset > bytes_.size() || bytes_.size() - offset < count) {
      refuse(request_.where,
             "the TIFF is cut: its directory needs byte " + std::to_string(offset + count) +
                 ", the file has " + std::to_string(bytes_.size()),
             kAgain);
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t k = little_ ? count - 1 - i : i;
      value = value << 8 | static_cast<unsigned char>(bytes_[offset + k]);
    }
    return value;
  }

  /// Reads one directory and moves `offset` to the next.
  /// @param whole  false: only whether it is a preview
  Tags directory(std::uint64_t& offset, bool whole) const {
    Tags tags;
    const std::uint64_t count = u(offset, 2);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t entry = offset + 2 + 12 * i;
      const int tag = static_cast<int>(u(entry, 2));
      const bool used = whole
                            ? std::find(std::begin(kUsed), std::end(kUsed), tag) != std::end(kUsed)
                            : tag == kSubfileType;
      if (!used) {
        continue;
      }
      if (tags.contains(tag)) {
        refuse(request_.where, "the TIFF names tag " + std::to_string(tag) + " twice", kAgain);
      }
      const bool list = std::find(std::begin(kLists), std::end(kLists), tag) != std::end(kLists);
      tags[tag] = values(entry, list);
      if (tag == 274) {  // the place of the orientation, kept beside its value
        tags[tag].push_back(entry + (little_ ? 8 : 9));
      }
    }
    offset = u(offset + 2 + 12 * count, 4);
    return tags;
  }

  /// @param all  false: the first one is enough
  Values values(std::uint64_t entry, bool all) const {
    const std::uint64_t type = u(entry + 2, 2);
    const std::uint64_t count = u(entry + 4, 4);
    const std::size_t size = type == 3 ? 2 : type == 4 ? 4 : type == 1 ? 1 : 0;
    if (size == 0) {
      return {};  // text, rationals: of no use here
    }
    const std::uint64_t start = count * size <= 4 ? entry + 8 : u(entry + 8, 4);
    if (count > bytes_.size()) {
      u(start + count, size);  // refuses: it is beyond the end
    }
    if (all && count > kMaxStrips) {
      refuse(request_.where, "the TIFF has " + std::to_string(count) + " strips; the limit is " +
                                 std::to_string(kMaxStrips));
    }
    Values out;
    for (std::uint64_t i = 0; i < (all ? count : std::min<std::uint64_t>(count, 1)); ++i) {
      out.push_back(u(start + i * size, size));
    }
    return out;
  }

  const DecodeRequest& request_;
  std::string_view bytes_;
  bool little_;
};

std::int64_t first(const Tags& tags, int tag, std::int64_t fallback) {
  const auto found = tags.find(tag);
  return found == tags.end() || found->second.empty() ? fallback
                                                      : static_cast<std::int64_t>(found->second[0]);
}

bool is_reduced(const Tags& tags) { return (first(tags, kSubfileType, 0) & 1) != 0; }

const Tags& only_page(const std::vector<Tags>& pages, const DecodeRequest& request) {
  std::size_t full = 0;
  for (const auto& page : pages) {
    full += is_reduced(page) ? 0 : 1;
  }
  if (pages.empty() || is_reduced(pages.front())) {
    refuse(request.where, "the TIFF's first page is missing or only a preview");
  }
  if (full > 1) {
    refuse(request.where, "the TIFF has " + std::to_string(full) + " pages, one is read here",
           "save each page as a file of its own");
  }
  return pages.front();
}

void check_strips(const Tags& tags, const DecodeRequest& request) {
  const auto get = [&](int strips, int tiles) {
    const auto found = tags.find(strips);
    return found != tags.end() ? found->second : tags.contains(tiles) ? tags.at(tiles) : Values{};
  };
  const Values offsets = get(273, 324);
  const Values counts = get(279, 325);
  if (offsets.empty() || offsets.size() != counts.size()) {
    refuse(request.where, "the TIFF does not say where its pixels are");
  }
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    if (offsets[i] + counts[i] > request.bytes.size()) {
      refuse(request.where,
             "the TIFF is cut: strip " + std::to_string(i + 1) + " ends at byte " +
                 std::to_string(offsets[i] + counts[i]) + ", the file has " +
                 std::to_string(request.bytes.size()),
             kAgain);
    }
  }
}

}  // namespace

TiffHeader read_tiff_header(const DecodeRequest& request) {
  const std::vector<Tags> pages = DirectoryReader(request).pages();
  const Tags& tags = only_page(pages, request);
  TiffHeader header;
  header.width = first(tags, 256, 0);
  header.height = first(tags, 257, 0);
  header.bits = first(tags, 258, 1);
  header.samples = first(tags, 277, 1);
  header.sample_format = first(tags, 339, 1);
  header.photometric = first(tags, 262, -1);
  header.compression = first(tags, 259, 1);
  header.planar = first(tags, 284, 1);
  header.extra_samples = first(tags, 338, 0);
  const std::int64_t orientation = first(tags, 274, 1);
  header.orientation = orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  if (tags.contains(274) && tags.at(274).size() == 2) {
    header.orientation_offset = tags.at(274)[1];
  }
  check_size(header.width, header.height, request);
  check_strips(tags, request);
  return header;
}

}  // namespace medaug::internal
