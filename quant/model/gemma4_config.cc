#include "quant/model/gemma4_config.h"

#include <set>

#include "core/check.h"
#include "core/status.h"
#include "quant/model/json_fields.h"

namespace sub1quant {
namespace {

constexpr int64_t kMaxVocabulary = int64_t{1} << 24;
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 4096;
constexpr int64_t kMaxTokenId = (int64_t{1} << 31) - 1;
constexpr char kFull[] = "full_attention";
constexpr char kSliding[] = "sliding_attention";

void ReadSizes(JsonFields& fields, Gemma4Config& config) {
  fields.Integer("vocab_size", 1, kMaxVocabulary, config.vocab_size);
  fields.Integer("hidden_size", 1, kMaxWidth, config.hidden_size);
  fields.Integer("intermediate_size", 1, kMaxWidth, config.intermediate_size);
  fields.Integer("num_hidden_layers", 1, kMaxLayers, config.num_hidden_layers);
  fields.Integer("num_attention_heads", 1, kMaxHeads, config.num_attention_heads);
  fields.Integer("num_key_value_heads", 1, kMaxHeads, config.num_key_value_heads);
  fields.Integer("head_dim", 2, kMaxHeadDim, config.head_dim);
  fields.Integer("global_head_dim", 2, kMaxHeadDim, config.global_head_dim);
  fields.Integer("sliding_window", 1, kMaxVocabulary, config.sliding_window);
  fields.Number("rms_norm_eps", 0, 1, config.rms_norm_eps);
  fields.Integer("vocab_size_per_layer_input", 1, kMaxVocabulary, config.vocab_size_per_layer_input);
  fields.Boolean("use_double_wide_mlp", config.use_double_wide_mlp);
  if (fields.IsNull("hidden_size_per_layer_input"))
    config.hidden_size_per_layer_input = 0;
  else
    fields.Integer("hidden_size_per_layer_input", 0, kMaxHeadDim, config.hidden_size_per_layer_input);
  if (!fields.IsNull("num_kv_shared_layers"))
    fields.Integer("num_kv_shared_layers", 0, kMaxLayers, config.num_kv_shared_layers);
  if (fields.Find("final_logit_softcapping") != nullptr) {
    double cap = 0;
    fields.Number("final_logit_softcapping", 0, 1e6, cap);
    config.final_logit_softcapping = cap;
  }
}

void ReadTokenId(JsonFields& fields, const std::string& name, int64_t high, int64_t& value) {
  const Json* json = fields.Find(name);
  if (json == nullptr) return;
  if (!json->is_array()) return fields.Integer(name, 0, high, value);
  // Instruction-tuned models list several ends; the first is the model's own.
  if (json->empty() || !json->front().is_number_unsigned() ||
      json->front().get<uint64_t>() > static_cast<uint64_t>(high))
    return fields.Refuse(name, "a token id is expected");
  value = json->front().get<int64_t>();
}

// What the forward pass here does not do.
void RefuseVariants(JsonFields& fields) {
  for (const std::string name : {"enable_moe_block", "attention_k_eq_v", "attention_bias"}) {
    bool on = false;
    fields.Boolean(name, on);
    if (on) fields.Refuse(name, "not supported, only false is");
  }
  bool tied = true;
  fields.Boolean("tie_word_embeddings", tied);
  if (!tied) fields.Refuse("tie_word_embeddings", "not supported, only true is");

  std::string activation = "gelu_pytorch_tanh";
  fields.String("hidden_activation", activation);
  if (activation != "gelu_pytorch_tanh") fields.Refuse("hidden_activation", "only gelu_pytorch_tanh is supported");

  // "vision" lets image tokens see each other; text stays causal.
  std::string bidirectional = "vision";
  fields.String("use_bidirectional_attention", bidirectional);
  if (bidirectional != "vision") fields.Refuse("use_bidirectional_attention", "only null and \"vision\" are supported");

  for (const std::string name : {"per_layer_config", "rope_scaling", "rope_theta", "rope_local_base_freq"})
    if (fields.Find(name) != nullptr) fields.Refuse(name, "this key is not supported");
}

void ReadLayerTypes(JsonFields& fields, Gemma4Config& config) {
  const int64_t layers = config.num_hidden_layers;
  config.full_attention.assign(static_cast<size_t>(layers), false);
  for (int64_t i = 0; i < layers; ++i) config.full_attention[static_cast<size_t>(i)] = (i + 1) % 6 == 0;

  std::vector<std::string> types;
  fields.Strings("layer_types", types);
  if (fields.Find("layer_types") != nullptr) {
    if (static_cast<int64_t>(types.size()) != layers)
      return fields.Refuse("layer_types", "has " + std::to_string(types.size()) + " entries, num_hidden_layers is " +
                                              std::to_string(layers));
    for (size_t i = 0; i < types.size(); ++i) {
      if (types[i] != kFull && types[i] != kSliding)
        return fields.Refuse("layer_types", "entry " + std::to_string(i) + " is neither " + kSliding + " nor " + kFull);
      config.full_attention[i] = types[i] == kFull;
    }
  }
  config.full_attention.back() = true;  // the reference forces it
}

void CheckSharing(JsonFields& fields, const Gemma4Config& config) {
  if (config.num_kv_shared_layers >= config.num_hidden_layers)
    return fields.Refuse("num_kv_shared_layers",
                         "less than num_hidden_layers " + std::to_string(config.num_hidden_layers) + " is expected");
  std::set<bool> sources(config.full_attention.begin(), config.full_attention.begin() + config.first_shared_layer());
  for (int64_t i = config.first_shared_layer(); i < config.num_hidden_layers; ++i)
    if (sources.count(config.full_attention[static_cast<size_t>(i)]) == 0)
      return fields.Refuse("num_kv_shared_layers",
                           "layer " + std::to_string(i) + " is " +
                               (config.full_attention[static_cast<size_t>(i)] ? kFull : kSliding) +
                               " and no layer before the shared ones is");
}

void CheckHeads(JsonFields& fields, const Gemma4Config& config) {
  if (config.num_attention_heads % config.num_key_value_heads != 0)
    fields.Refuse("num_key_value_heads",
                  "does not divide num_attention_heads " + std::to_string(config.num_attention_heads));
  if (config.head_dim % 2 != 0) fields.Refuse("head_dim", "an even number is expected");
  if (config.global_head_dim % 2 != 0) fields.Refuse("global_head_dim", "an even number is expected");
}

void RefuseOtherKeys(const Json& object, const std::set<std::string>& known, JsonFields& fields) {
  for (const auto& [name, value] : object.items())
    if (!value.is_null() && known.count(name) == 0) fields.Refuse(name, "this key is not supported");
}

std::string RopeType(JsonFields& fields) {
  std::string type = "default";
  fields.String("type", type);  // the older name
  fields.String("rope_type", type);
  return type;
}

void RefuseUnlessOne(JsonFields& fields, const std::string& name) {
  double value = 1;
  if (fields.Find(name) != nullptr) fields.Number(name, 0, 1e6, value);
  if (value != 1) fields.Refuse(name, "not supported with rope_type default");
}

const std::set<std::string> kRopeKeys = {"rope_type", "type", "rope_theta", "partial_rotary_factor", "factor"};

absl::Status ReadSlidingRope(const Json& object, const std::string& where, Gemma4Config& config) {
  JsonFields fields(object, where);
  if (RopeType(fields) != "default") fields.Refuse("rope_type", "only default is supported on sliding layers");
  fields.Number("rope_theta", 1, 1e12, config.sliding_rope_theta);
  RefuseUnlessOne(fields, "partial_rotary_factor");
  RefuseUnlessOne(fields, "factor");
  RefuseOtherKeys(object, kRopeKeys, fields);
  return fields.status();
}

absl::Status ReadFullRope(const Json& object, const std::string& where, Gemma4Config& config) {
  JsonFields fields(object, where);
  const std::string type = RopeType(fields);
  if (type != "default" && type != "proportional")
    fields.Refuse("rope_type", "only default and proportional are supported");
  config.full_rope_proportional = type == "proportional";
  config.full_partial_rotary_factor = 1;
  fields.Number("rope_theta", 1, 1e12, config.full_rope_theta);
  if (config.full_rope_proportional) {
    if (fields.Find("partial_rotary_factor") != nullptr)
      fields.Number("partial_rotary_factor", 0, 1, config.full_partial_rotary_factor);
    if (fields.Find("factor") != nullptr) fields.Number("factor", 0, 1e6, config.full_rope_factor);
  } else {
    RefuseUnlessOne(fields, "partial_rotary_factor");
    RefuseUnlessOne(fields, "factor");
  }
  RefuseOtherKeys(object, kRopeKeys, fields);
  return fields.status();
}

absl::Status ReadRope(JsonFields& text_fields, const std::string& where, Gemma4Config& config) {
  const Json* rope = text_fields.Find("rope_parameters");
  if (rope == nullptr) return absl::OkStatus();
  const std::string inside = where + "rope_parameters.";
  if (!rope->is_object()) return absl::InvalidArgumentError(where + "rope_parameters: an object is expected");
  JsonFields fields(*rope, inside);
  RefuseOtherKeys(*rope, {kFull, kSliding}, fields);
  for (const std::string name : {kFull, kSliding})
    if (fields.Find(name) != nullptr && !fields.Find(name)->is_object()) fields.Refuse(name, "an object is expected");
  if (!fields.status().ok()) return fields.status();
  if (const Json* sliding = fields.Find(kSliding))
    SUB1QUANT_RETURN_IF_ERROR(ReadSlidingRope(*sliding, inside + kSliding + ".", config));
  if (const Json* full = fields.Find(kFull))
    SUB1QUANT_RETURN_IF_ERROR(ReadFullRope(*full, inside + kFull + ".", config));
  return absl::OkStatus();
}

// The object that holds the text fields, and how messages name it.
absl::Status FindTextFields(const Json& top, JsonFields& fields, Gemma4Config& config, const Json*& text,
                            std::string& where) {
  fields.String("model_type", config.model_type);
  if (config.model_type != "gemma4" && config.model_type != "gemma4_text")
    fields.Refuse("model_type", "only gemma4 and gemma4_text are supported");
  const Json* nested = fields.Find("text_config");
  const bool wants_nested = config.model_type == "gemma4";
  if (wants_nested && (nested == nullptr || !nested->is_object()))
    fields.Refuse("text_config", "an object is expected in a config of model_type gemma4");
  if (!wants_nested && nested != nullptr) fields.Refuse("text_config", "not expected with model_type gemma4_text");
  if (!fields.status().ok()) return fields.status();
  text = wants_nested ? nested : &top;
  where = wants_nested ? "text_config." : "";
  return absl::OkStatus();
}

void ReadArchitecture(JsonFields& fields, Gemma4Config& config) {
  std::vector<std::string> architectures;
  fields.Strings("architectures", architectures);
  config.architecture = architectures.empty() ? config.model_type : architectures.front();
}

// The multimodal class takes these for places of an image, a sound, a film, and embeds the pad id there.
void ReadReplacedTokenIds(JsonFields& fields, Gemma4Config& config) {
  const std::pair<const char*, int64_t> ids[] = {
      {"image_token_id", 258880}, {"audio_token_id", 258881}, {"video_token_id", 258884}};
  for (const auto& [name, usual] : ids) {
    if (fields.IsNull(name)) continue;
    int64_t id = usual;
    fields.Integer(name, 0, kMaxTokenId, id);
    config.replaced_token_ids.push_back(id);
  }
}

absl::StatusOr<Gemma4Config> Read(const Json& top) {
  if (!top.is_object()) return absl::InvalidArgumentError("an object is expected");
  Gemma4Config config;
  JsonFields top_fields(top, "");
  const Json* text = nullptr;
  std::string where;
  SUB1QUANT_RETURN_IF_ERROR(FindTextFields(top, top_fields, config, text, where));
  RefuseVariants(top_fields);
  ReadArchitecture(top_fields, config);
  if (text != &top) ReadReplacedTokenIds(top_fields, config);
  if (!top_fields.status().ok()) return top_fields.status();

  JsonFields fields(*text, where);
  std::string text_type = "gemma4_text";
  fields.String("model_type", text_type);
  if (text_type != "gemma4_text") fields.Refuse("model_type", "only gemma4_text is supported");
  RefuseVariants(fields);
  ReadSizes(fields, config);
  ReadTokenId(fields, "pad_token_id", config.vocab_size - 1, config.pad_token_id);
  ReadTokenId(fields, "eos_token_id", kMaxTokenId, config.eos_token_id);
  ReadTokenId(fields, "bos_token_id", config.vocab_size - 1, config.bos_token_id);
  if (!fields.status().ok()) return fields.status();
  ReadLayerTypes(fields, config);
  CheckHeads(fields, config);
  CheckSharing(fields, config);
  if (!fields.status().ok()) return fields.status();
  SUB1QUANT_RETURN_IF_ERROR(ReadRope(fields, where, config));
  return config;
}

}  // namespace

int64_t Gemma4Config::kv_source(int64_t layer) const {
  if (!kv_shared(layer)) return layer;
  for (int64_t source = first_shared_layer() - 1; source >= 0; --source)
    if (full_attention.at(static_cast<size_t>(source)) == full_attention.at(static_cast<size_t>(layer))) return source;
  SUB1QUANT_CHECK(!"a shared layer without a source: ParseGemma4Config refuses that");
}

absl::StatusOr<Gemma4Config> ParseGemma4Config(const std::string& json_text) {
  auto json = ParseJson(json_text);
  if (!json.ok()) return Annotate(json.status(), "config.json");
  auto config = Read(*json);
  if (!config.ok()) return Annotate(config.status(), "config.json");
  return config;
}

}  // namespace sub1quant
