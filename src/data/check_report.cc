// SPDX-License-Identifier: MIT
#include <cstdio>

#include "base/strings.h"
#include "data/check.h"

namespace medaug {
namespace {

using Json = nlohmann::ordered_json;

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof(text), share < 0.01 ? "%.2f %%" : "%.1f %%", 100.0 * share);
  return text;
}

std::string row(const std::string& name, const std::string& value) {
  std::string out("  ");
  out.append(name);
  out.append(name.size() < 11 ? 11 - name.size() : 1, ' ');
  return out.append(value).append("\n");
}

std::string size_range(const ManifestReport& m) {
  const auto size = [](std::int64_t w, std::int64_t h) {
    return std::to_string(w) + " x " + std::to_string(h);
  };
  const std::string low = size(m.min_width, m.min_height);
  const std::string high = size(m.max_width, m.max_height);
  return low == high ? low : low + " to " + high;
}

std::string pictures(const ManifestReport& m) {
  std::vector<std::string> kinds;
  for (const auto& [kind, count] : m.kinds) {
    kinds.push_back(m.kinds.size() == 1 ? kind : std::to_string(count) + " " + kind);
  }
  return size_range(m) + ", " + join(kinds, ", ");
}

std::string labels(const ManifestReport& m) {
  std::vector<std::string> parts;
  for (const auto& [label, count] : m.labels) {
    parts.push_back(std::to_string(label) + ": " + std::to_string(count));
  }
  if (m.without_label > 0) {
    parts.push_back("none: " + std::to_string(m.without_label));
  }
  return join(parts, ", ");
}

std::string masks(const ManifestReport& m) {
  return std::to_string(m.records - m.without_mask) + " (" + std::to_string(m.empty_masks) +
         " empty), " + std::to_string(m.without_mask) + " records without";
}

std::string class_text(const ClassStatistics& c) {
  std::string out = "in " + std::to_string(c.masks) + " masks, " +
                    percent(c.share_sum / static_cast<double>(c.masks)) + " of the picture (" +
                    percent(c.share_min) + " to " + percent(c.share_max) + ")";
  if (c.lost > 0) {
    out += ", fades out at model size in " + std::to_string(c.lost);
  }
  return out;
}

std::string manifest_text(const ManifestReport& m) {
  std::string out = printable(m.path.string(), 400) + "\n";
  out += row("records", std::to_string(m.records) + " good, " + std::to_string(m.bad) + " bad");
  out += row("paths", "relative to " + printable(m.root.string(), 400));
  if (m.records == 0) {
    return out;
  }
  out += row("pictures", pictures(m));
  out += row("captions", std::to_string(m.captions) + " different, " +
                             std::to_string(m.empty_captions) + " empty");
  out += row("labels", labels(m));
  out += row("groups", m.groups.empty() ? "none given" : std::to_string(m.groups.size()));
  out += row("masks", masks(m));
  for (const auto& [name, c] : m.classes) {
    out += row("  " + name, class_text(c));
  }
  return out;
}

std::string problems_text(const ProblemList& list, const std::string& kind) {
  std::string out;
  for (const auto& problem : list.listed) {
    out += kind + ": " + (problem.where.empty() ? "" : problem.where + ": ") +
           printable(problem.message, 600) + "\n";
    if (!problem.hint.empty()) {
      out += "  " + printable(problem.hint, 600) + "\n";
    }
  }
  const auto more = list.count - static_cast<std::int64_t>(list.listed.size());
  if (more > 0) {
    out += kind + ": and " + std::to_string(more) + " more like these\n";
  }
  return out;
}

Json class_json(const ClassStatistics& c) {
  return {{"masks", c.masks},
          {"mean_share", c.share_sum / static_cast<double>(c.masks)},
          {"min_share", c.share_min},
          {"max_share", c.share_max},
          {"lost_at_model_size", c.lost}};
}

Json manifest_json(const ManifestReport& m) {
  Json out = {{"path", printable(m.path.string(), 4096)},
              {"root", printable(m.root.string(), 4096)},
              {"records", m.records},
              {"bad", m.bad},
              {"width", {m.min_width, m.max_width}},
              {"height", {m.min_height, m.max_height}},
              {"kinds", m.kinds},
              {"captions", m.captions},
              {"empty_captions", m.empty_captions},
              {"without_label", m.without_label},
              {"groups", m.groups.size()},
              {"without_mask", m.without_mask},
              {"empty_masks", m.empty_masks}};
  out["labels"] = Json::object();
  for (const auto& [label, count] : m.labels) {
    out["labels"][std::to_string(label)] = count;
  }
  out["classes"] = Json::object();
  for (const auto& [name, c] : m.classes) {
    out["classes"][name] = class_json(c);
  }
  return out;
}

Json problems_json(const ProblemList& list) {
  Json out = {{"count", list.count}, {"listed", Json::array()}};
  for (const auto& p : list.listed) {
    out["listed"].push_back({{"where", p.where}, {"message", p.message}, {"hint", p.hint}});
  }
  return out;
}

}  // namespace

std::string to_text(const DataReport& report) {
  std::string out;
  for (const auto& manifest : report.manifests) {
    out += manifest_text(manifest);
  }
  out += problems_text(report.errors, "error") + problems_text(report.warnings, "warning");
  out += std::to_string(report.errors.count) + " errors, " + std::to_string(report.warnings.count) +
         " warnings\n";
  return out;
}

nlohmann::ordered_json to_json(const DataReport& report) {
  Json out = {{"ok", report.ok()}, {"manifests", Json::array()}};
  for (const auto& manifest : report.manifests) {
    out["manifests"].push_back(manifest_json(manifest));
  }
  out["errors"] = problems_json(report.errors);
  out["warnings"] = problems_json(report.warnings);
  return out;
}

}  // namespace medaug
