// SPDX-License-Identifier: MIT
#include "models/gemma_options.h"

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/strings.h"

namespace medaug {
namespace {

using Json = nlohmann::ordered_json;

class Config {
 public:
  Config(const Json& json, const std::string& where) : json_(json), where_(where) {
    if (!json.is_object()) {
      throw Error(ErrorCode::kCheckpoint, where, "is not a JSON object",
                  "give the config.json beside the model's weights");
    }
  }

  [[noreturn]] void refuse(const char* key, const std::string& what,
                           const std::string& hint = {}) const {
    throw Error(ErrorCode::kCheckpoint, where_ + ": " + key, what, hint);
  }

  /// Null when it is absent or says null.
  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  std::string shown(const char* key) const { return printable(find(key)->dump(), 60); }

  void count(const char* key, std::int64_t most, std::int64_t& value, bool needed = true) const {
    const auto* found = find(key);
    if (found == nullptr) {
      if (needed) {
        refuse(key, "is missing", "give the config.json beside the model's weights");
      }
      return;
    }
    const auto least = needed ? 1 : 0;
    if (!found->is_number_integer() || found->get<double>() < least ||
        found->get<double>() > static_cast<double>(most)) {
      refuse(key, "is " + shown(key) + ", allowed: whole numbers from " + std::to_string(least) +
                      " to " + std::to_string(most));
    }
    value = found->get<std::int64_t>();
  }

  void positive(const char* key, const Json* found, double& value) const {
    if (found == nullptr) {
      return;
    }
    const double number = found->is_number() ? found->get<double>() : -1.0;
    if (!std::isfinite(number) || number <= 0.0) {
      refuse(key, "is " + printable(found->dump(), 60) + ", a number above 0 is needed");
    }
    value = number;
  }

  void must_be_off(const char* key, const char* meaning) const {
    const auto* found = find(key);
    if (found != nullptr && *found != false) {
      refuse(key, "is " + shown(key) + ": Gemma 1 has no " + meaning,
             "this is another model, or a changed one");
    }
  }

 private:
  const Json& json_;
  const std::string& where_;
};

constexpr const char* kWanted =
    "only Gemma 1 is read: Lumina-Next and RetinaLogos use google/gemma-2b";

void check_kind(const Config& config) {
  const auto* type = config.find("model_type");
  if (type == nullptr) {
    config.refuse("model_type", "is missing", kWanted);
  }
  if (*type != "gemma") {
    config.refuse("model_type", "is " + config.shown("model_type") + ", not \"gemma\"", kWanted);
  }
  const std::set<std::string> known{"GemmaForCausalLM", "GemmaModel"};
  const auto* architectures = config.find("architectures");
  if (architectures == nullptr) {
    return;
  }
  const bool one =
      architectures->is_array() && architectures->size() == 1 && architectures->front().is_string();
  if (!one || !known.contains(architectures->front().get<std::string>())) {
    config.refuse("architectures",
                  "is " + config.shown("architectures") + ", not GemmaForCausalLM or GemmaModel",
                  kWanted);
  }
}

void check_settings(const Config& config) {
  config.must_be_off("attention_bias", "biases");
  config.must_be_off("rope_scaling", "scaled rotary embedding");
  config.must_be_off("quantization_config",
                     "quantised weights here: give bfloat16 or float32 ones");
  config.must_be_off("use_bidirectional_attention", "attention to later tokens");
  for (const auto* key : {"hidden_act", "hidden_activation"}) {
    const auto* found = config.find(key);
    if (found != nullptr && *found != "gelu" && *found != "gelu_pytorch_tanh") {
      config.refuse(key, "is " + config.shown(key) + ", allowed: gelu, gelu_pytorch_tanh", kWanted);
    }
  }
}

/// The base of the rotary embedding; newer files keep it in an object of its own.
void read_theta(const Config& config, GemmaOptions& options) {
  config.positive("rope_theta", config.find("rope_theta"), options.rope_theta);
  const auto* parameters = config.find("rope_parameters");
  if (parameters == nullptr) {
    return;
  }
  if (!parameters->is_object() || parameters->value("rope_type", Json("default")) != "default") {
    config.refuse("rope_parameters",
                  "is " + config.shown("rope_parameters") + ": only the type \"default\" is known");
  }
  const auto theta = parameters->find("rope_theta");
  if (theta != parameters->end()) {
    config.positive("rope_parameters.rope_theta", &*theta, options.rope_theta);
  }
}

void read_sizes(const Config& config, GemmaOptions& o) {
  config.count("vocab_size", 4'000'000, o.vocab_size);
  config.count("hidden_size", 65'536, o.hidden_size);
  config.count("intermediate_size", 1'000'000, o.intermediate_size);
  config.count("num_hidden_layers", 1000, o.num_hidden_layers);
  config.count("num_attention_heads", 1024, o.num_attention_heads);
  config.count("num_key_value_heads", 1024, o.num_key_value_heads);
  config.count("head_dim", 4096, o.head_dim);
  config.count("max_position_embeddings", 10'000'000, o.max_position_embeddings);
  config.count("pad_token_id", o.vocab_size - 1, o.pad_token_id, false);
  config.count("bos_token_id", o.vocab_size - 1, o.bos_token_id, false);
  if (o.num_hidden_layers < 2) {
    config.refuse("num_hidden_layers", "is 1: the features are those before the last layer");
  }
  if (o.num_attention_heads % o.num_key_value_heads != 0) {
    config.refuse("num_key_value_heads", "is " + std::to_string(o.num_key_value_heads) +
                                             ", which does not divide the " +
                                             std::to_string(o.num_attention_heads) + " heads");
  }
  if (o.head_dim % 2 != 0) {
    config.refuse("head_dim", "is odd; the rotary embedding turns pairs");
  }
}

}  // namespace

GemmaOptions gemma_options_from_json(const Json& json, const std::string& where) {
  const Config config(json, where);
  check_kind(config);
  check_settings(config);
  GemmaOptions options;
  read_sizes(config, options);
  config.positive("rms_norm_eps", config.find("rms_norm_eps"), options.rms_norm_eps);
  read_theta(config, options);
  return options;
}

}  // namespace medaug
