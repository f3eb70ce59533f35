// SPDX-License-Identifier: MIT
#include "models/autoencoder_options.h"

#include <algorithm>
#include <array>

namespace medaug {
namespace {

constexpr std::size_t kMostLevels = 8;
constexpr std::int64_t kWidest = 8192;
constexpr const char* kClass = "AutoencoderKL";
constexpr const char* kDownBlock = "DownEncoderBlock2D";
constexpr const char* kUpBlock = "UpDecoderBlock2D";
constexpr std::array<std::string_view, 3> kIgnored{"_diffusers_version", "_name_or_path",
                                                   "force_upcast"};
constexpr std::array<std::string_view, 6> kChecked{
    "_class_name", "act_fn", "down_block_types", "up_block_types", "latents_mean", "latents_std",
};

[[noreturn]] void refuse(const std::string& where, const std::string& message,
                         const std::string& hint = "") {
  throw Error(ErrorCode::kCheckpoint, where, message, hint);
}

AutoencoderOptions diffusers_defaults() {
  AutoencoderOptions o;
  o.block_out_channels = {64};
  o.layers_per_block = 1;
  o.scaling_factor = 0.18215;
  o.sample_size = 32;
  return o;
}

std::string shown(const Json& value) { return printable(value.dump(-1, ' ', true), 60); }

void require_text(const Json& json, const char* key, const std::string& only,
                  const std::string& where) {
  if (json.contains(key) && json.at(key) != only) {
    refuse(where + "." + key, shown(json.at(key)) + " is not supported", "supported: " + only);
  }
}

void require_blocks(const Json& json, const char* key, const std::string& only, std::size_t levels,
                    const std::string& where) {
  if (!json.contains(key)) {
    return;
  }
  const auto& types = json.at(key);
  if (!types.is_array() || types.size() != levels) {
    refuse(where + "." + key, "must be a list with one entry for each of the " +
                                  std::to_string(levels) + " block_out_channels");
  }
  for (const auto& type : types) {
    if (type != only) {
      refuse(where + "." + key, shown(type) + " is not supported", "supported: " + only);
    }
  }
}

/// Takes over one value that is a field of the options.
void merge(Json& all, const std::string& key, const Json& value, const std::string& where) {
  auto& target = all.at(key);
  const auto whole = [](const Json& number) { return number.is_number_integer(); };
  if (value.is_null() && key == "shift_factor") {
    return;  // diffusers writes null for none
  }
  const bool right = target.is_array()
                         ? value.is_array() && std::all_of(value.begin(), value.end(), whole)
                     : target.is_boolean()        ? value.is_boolean()
                     : target.is_number_integer() ? whole(value)
                                                  : value.is_number();
  if (!right) {
    refuse(where + "." + key, shown(value) + " is of another type than " + shown(target));
  }
  target = value;
}

bool is_one_of(std::string_view key, const auto& names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

[[noreturn]] void refuse_unknown(const std::string& key, const Json& known,
                                 const std::string& where) {
  std::vector<std::string> names(kChecked.begin(), kChecked.end());
  for (const auto& item : known.items()) {
    names.push_back(item.key());
  }
  const auto near = nearest(key, names);
  refuse(where, "unknown key '" + printable(key) + "'",
         near.empty() ? "it may change what the network computes, so it is not ignored"
                      : "did you mean '" + near + "'?");
}

}  // namespace

std::int64_t autoencoder_downscale(const AutoencoderOptions& o) {
  return std::int64_t{1} << (o.block_out_channels.size() - 1);
}

void validate(const AutoencoderOptions& o, const std::string& where, ErrorCode code) {
  const auto& widths = o.block_out_channels;
  if (widths.empty() || widths.size() > kMostLevels) {
    throw Error(code, where + ".block_out_channels",
                "has " + std::to_string(widths.size()) + " levels",
                "there can be 1 to " + std::to_string(kMostLevels));
  }
  for (const auto width : widths) {
    if (width < 1 || width > kWidest || width % o.norm_num_groups != 0) {
      throw Error(code, where + ".block_out_channels",
                  "width " + std::to_string(width) + " is not a multiple of norm_num_groups " +
                      std::to_string(o.norm_num_groups) + " in [1, " + std::to_string(kWidest) +
                      "]");
    }
  }
}

AutoencoderOptions autoencoder_options_from_json(const Json& json, std::string_view where_in) {
  const std::string where(where_in);
  if (!json.is_object()) {
    refuse(where, "is not a JSON object");
  }
  Json all = to_json(diffusers_defaults());
  for (const auto& [key, value] : json.items()) {
    if (all.contains(key)) {
      merge(all, key, value, where);
    } else if (!is_one_of(key, kIgnored) && !is_one_of(key, kChecked)) {
      refuse_unknown(key, all, where);
    }
  }
  require_text(json, "_class_name", kClass, where);
  require_text(json, "act_fn", "silu", where);
  for (const char* key : {"latents_mean", "latents_std"}) {
    if (json.contains(key) && !json.at(key).is_null()) {
      refuse(where + "." + key, "is not supported",
             "only scaling_factor and shift_factor scale the latents");
    }
  }
  auto options = from_json<AutoencoderOptions>(all, where);
  validate(options, where, ErrorCode::kCheckpoint);
  const auto levels = options.block_out_channels.size();
  require_blocks(json, "down_block_types", kDownBlock, levels, where);
  require_blocks(json, "up_block_types", kUpBlock, levels, where);
  return options;
}

Json autoencoder_options_to_json(const AutoencoderOptions& o) {
  const auto levels = o.block_out_channels.size();
  Json json = Json::object();
  json["_class_name"] = kClass;
  json["act_fn"] = "silu";
  json["down_block_types"] = std::vector<std::string>(levels, kDownBlock);
  json["up_block_types"] = std::vector<std::string>(levels, kUpBlock);
  json["force_upcast"] = true;
  json.update(to_json(o));
  return json;
}

}  // namespace medaug
