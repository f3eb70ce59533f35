// SPDX-License-Identifier: MIT
#include "evaluation/evaluate.h"

#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "evaluation/agreement.h"
#include "evaluation/copies.h"
#include "evaluation/distribution.h"
#include "evaluation/extractor.h"
#include "evaluation/items.h"
#include "evaluation/pairs.h"
#include "evaluation/table.h"

namespace medaug {
namespace {

/// The sources that were named.
struct Sources {
  Source generated;
  std::optional<Source> reference, masks, training;
};

Sources read_sources(const EvaluateOptions& o) {
  const auto read = [](const std::filesystem::path& path, const std::string& split) {
    return path.empty() ? std::nullopt : std::optional(read_source(path, split));
  };
  return {read_source(o.generated), read(o.reference, o.split), read(o.masks, o.split),
          read(o.training, "train")};
}

void require_something(const EvaluateOptions& o) {
  const bool pairs = !o.reference.empty() && !o.unpaired;
  if (!pairs && !o.structure && o.segmenter.empty() && !o.distribution && !o.copies) {
    throw Error(ErrorCode::kUsage, "evaluate", "there is nothing to measure",
                "give --reference, --evaluate-structure with --masks, --segmenter, "
                "--distribution with --reference or --audit-copies with --training");
  }
  if (o.distribution && o.reference.empty()) {
    throw Error(ErrorCode::kUsage, "--distribution", "needs real images to compare with",
                "give --reference DIR or a manifest");
  }
  if (o.copies && (o.training.empty() || o.reference.empty())) {
    throw Error(ErrorCode::kUsage, "--audit-copies",
                "needs the images that the generator was trained on, and real ones that it was not",
                "give --training TRAIN.jsonl and --reference VAL.jsonl");
  }
}

Json source_json(const Source& source) {
  return {{"path", source.path.string()}, {"images", source.items.size()}};
}

Json skipped_json(const std::vector<Skipped>& skipped) {
  Json items = Json::array();
  for (const auto& one : skipped) {
    items.push_back({{"name", one.name}, {"reason", one.reason}});
  }
  return {{"n", skipped.size()}, {"items", items}};
}

std::vector<std::unique_ptr<FeatureExtractor>> feature_spaces(
    const EvaluateOptions& o, const std::shared_ptr<const Segmenter>& segmenter) {
  std::vector<std::unique_ptr<FeatureExtractor>> spaces;
  if (!o.distribution && !o.copies) {
    return spaces;
  }
  const auto weights = o.efficientnet.empty() ? find_weights(kEfficientNetWeights) : o.efficientnet;
  if (weights) {
    spaces.push_back(efficientnet_extractor(*weights));
  }
  if (!o.resnet50.empty()) {
    spaces.push_back(resnet50_extractor(o.resnet50));
  }
  if (segmenter) {
    spaces.push_back(segmenter_extractor(segmenter));
  }
  spaces.push_back(radiomics_extractor());
  return spaces;
}

Json rows_json(const Table& table) {
  Json rows = Json::array();
  for (const auto& [item, values, failure] : table.rows()) {
    Json row = {{"name", item.name}, {"generated", item.generated.string()}};
    if (item.reference) {
      row["reference"] = item.reference->string();
    }
    if (item.mask) {
      row["mask"] = item.mask->string();
    }
    row.update(values);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

Json evaluate(
    const EvaluateOptions& o,
    const std::function<void(std::string_view, std::int64_t, std::int64_t)>& on_progress) {
  require_something(o);
  const auto part = [&](std::string_view name) -> OnProgress {
    return [&on_progress, name](std::int64_t done, std::int64_t total) {
      if (on_progress) {
        on_progress(name, done, total);
      }
    };
  };
  const auto segmenter = o.segmenter.empty()
                             ? nullptr
                             : std::make_shared<const Segmenter>(Segmenter::load(o.segmenter));
  const auto sources = read_sources(o);
  const bool paired = sources.reference && !o.unpaired;
  Table table(match(sources.generated, paired ? &*sources.reference : nullptr,
                    sources.masks ? &*sources.masks : nullptr));
  Json out = {{"format", "medaug-evaluation-1"}, {"generated", source_json(sources.generated)}};
  std::optional<Table> reference, training;
  if (sources.reference) {
    out["reference"] = source_json(*sources.reference);
    reference.emplace(*sources.reference);
  }
  if (sources.training) {
    out["training"] = source_json(*sources.training);
    training.emplace(*sources.training);
  }
  out["count"] = 0;
  out["skipped"] = nullptr;
  if (paired) {
    out["image_quality"] = image_quality(table, o.resize_reference, o.seed, part("image quality"));
  }
  if (o.structure) {
    out["structure"] = colour_agreement(table, o.rule, o.seed, part("structure"));
  }
  if (segmenter) {
    out["agreement"] = segmenter_agreement(*segmenter, table, reference ? &*reference : nullptr,
                                           o.seed, part("agreement"));
  }
  const auto spaces = feature_spaces(o, segmenter);
  if (o.distribution) {
    out["distribution"] =
        compare_sets(table, *reference, training ? &*training : nullptr, spaces,
                     {.patch = o.patch, .seed = o.seed, .fit = o.fit}, part("distribution"));
  }
  if (o.copies) {
    auto& copies = out["copies"];
    copies = audit_copies(table, *training, *reference, o.fit, o.seed, part("copies"));
    copies["authpct"] =
        o.distribution
            ? out["distribution"]["spaces"][0]["generated"]["authpct"]
            : Json(authentic_percent(*training, table, spaces.front(), o.fit, part("copies")));
    copies["authpct_space"] = spaces.front()->name();
  }
  out["count"] = table.size();
  out["skipped"] = skipped_json(table.skipped());
  if (reference) {
    out["reference"]["skipped"] = reference->skipped().size();
  }
  out["images"] = rows_json(table);
  return out;
}

}  // namespace medaug
