#include "quant/model/gemma4_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/file.h"
#include "core/json.h"
#include "tests/unit/quant/model/e2b_tensors.h"

namespace sub1quant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The fields of the published E2B config (docs/gemma4_text_model.md §1).
Json E2bText() {
  Json text =
      Json::parse(R"({"model_type": "gemma4_text", "vocab_size": 262144, "hidden_size": 1536, "intermediate_size": 6144,
    "num_hidden_layers": 35, "num_attention_heads": 8, "num_key_value_heads": 1, "num_global_key_value_heads": null,
    "head_dim": 256, "global_head_dim": 512, "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-06,
    "rope_parameters": {"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
      "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0, "partial_rotary_factor": 0.25}},
    "sliding_window": 512, "final_logit_softcapping": 30.0, "hidden_size_per_layer_input": 256,
    "vocab_size_per_layer_input": 262144, "num_kv_shared_layers": 20, "use_double_wide_mlp": true,
    "attention_k_eq_v": false, "enable_moe_block": false, "num_experts": null, "attention_bias": false,
    "use_bidirectional_attention": null, "tie_word_embeddings": true, "pad_token_id": 0, "eos_token_id": 1,
    "bos_token_id": 2})");
  for (int i = 0; i < 35; ++i) text["layer_types"].push_back(i % 5 == 4 ? "full_attention" : "sliding_attention");
  return text;
}

Json E2b() {
  return {{"architectures", {"Gemma4ForConditionalGeneration"}},
          {"model_type", "gemma4"},
          {"tie_word_embeddings", true},
          {"text_config", E2bText()}};
}

std::string Refusal(const Json& config) {
  auto parsed = ParseGemma4Config(config.dump());
  if (parsed.ok()) return "accepted";
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.status().message());
}

std::string WithText(const std::string& field, const Json& value) {
  Json config = E2b();
  config["text_config"][field] = value;
  return Refusal(config);
}

TEST(Gemma4Config, E2b) {
  auto parsed = ParseGemma4Config(E2b().dump());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const Gemma4Config& config = *parsed;
  EXPECT_EQ(config.architecture, "Gemma4ForConditionalGeneration");
  EXPECT_EQ(config.model_type, "gemma4");
  EXPECT_EQ(config.hidden_size, 1536);
  EXPECT_EQ(config.first_shared_layer(), 15);
  EXPECT_EQ(config.final_logit_softcapping, 30.0);
  EXPECT_TRUE(config.full_rope_proportional);
  EXPECT_EQ(config.full_partial_rotary_factor, 0.25);
  EXPECT_THAT(config.replaced_token_ids, ElementsAre(258880, 258881, 258884));
  for (int64_t layer = 0; layer < 35; ++layer) {
    const bool full = layer % 5 == 4;
    EXPECT_EQ(config.full_attention[static_cast<size_t>(layer)], full);
    EXPECT_EQ(config.kv_source(layer), layer < 15 ? layer : full ? 14 : 13) << layer;
    EXPECT_EQ(config.mlp_width(layer), layer < 15 ? 6144 : 12288);
    EXPECT_EQ(config.layer_head_dim(layer), full ? 512 : 256);
  }
}

TEST(Gemma4Config, TensorsAreThoseOfTheCheckpoint) {
  const Gemma4Config config = ParseGemma4Config(E2b().dump()).value();
  for (const bool text_only : {false, true}) {
    const Gemma4Tensors tensors = Gemma4TensorShapes(config, text_only);
    std::map<std::string, std::vector<int64_t>> all, expected;
    for (const auto* part : {&tensors.used, &tensors.unused_kv_shared})
      for (const Gemma4Tensor& tensor : *part) all[tensor.key] = tensor.shape;
    for (const SafetensorsEntry& entry : E2bTensors(text_only ? "model." : "model.language_model."))
      expected[entry.key] = entry.shape;
    EXPECT_EQ(all, expected);
    EXPECT_EQ(tensors.used.size() + tensors.unused_kv_shared.size(), 600u);
    EXPECT_EQ(tensors.unused_kv_shared.size(), 60u);  // 40 matrices and 20 norms
  }
}

// Every tensor in turn missing and of another shape. What nothing reads may be either.
TEST(Gemma4Config, ATensorThatDoesNotFitIsNamedWithBothShapes) {
  const Gemma4Config config = ParseGemma4Config(E2b().dump()).value();
  const Gemma4Tensors tensors = Gemma4TensorShapes(config, false);
  TensorInventory good;
  for (const SafetensorsEntry& entry : E2bTensors("model.language_model.")) {
    good.tensors.emplace_back();
    good.tensors.back().key = entry.key;
    good.tensors.back().shape = entry.shape;
  }
  EXPECT_TRUE(CheckGemma4Tensors(tensors, good).ok());
  std::set<std::string> unused;
  for (const Gemma4Tensor& tensor : tensors.unused_kv_shared) unused.insert(tensor.key);
  for (size_t i = 0; i < good.tensors.size(); ++i) {
    const std::string key = good.tensors[i].key;
    TensorInventory bad = good;
    bad.tensors[i].shape[0] += 1;
    const absl::Status wrong = CheckGemma4Tensors(tensors, bad);
    bad.tensors.erase(bad.tensors.begin() + static_cast<std::ptrdiff_t>(i));
    const absl::Status missing = CheckGemma4Tensors(tensors, bad);
    if (unused.contains(key)) {
      EXPECT_TRUE(wrong.ok() && missing.ok()) << key;
      continue;
    }
    EXPECT_THAT(std::string(wrong.message()), HasSubstr("'" + key + "' has shape [")) << key;
    EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
    const bool scalar = key.find("layer_scalar") != std::string::npos;
    EXPECT_EQ(missing.code(), scalar ? absl::StatusCode::kOk : absl::StatusCode::kInvalidArgument) << key;
  }
  good.tensors[0].shape = {};
  EXPECT_THAT(std::string(CheckGemma4Tensors(tensors, good).message()),
              HasSubstr("'model.language_model.embed_tokens.weight' has shape []; config.json asks for [262144,1536]"));
}

TEST(Gemma4Config, WithoutPerLayerInputsTheirTensorsAreAbsent) {
  Json json = E2b();
  json["text_config"]["hidden_size_per_layer_input"] = nullptr;
  const Gemma4Config config = ParseGemma4Config(json.dump()).value();
  EXPECT_EQ(config.hidden_size_per_layer_input, 0);
  const Gemma4Tensors tensors = Gemma4TensorShapes(config, false);
  for (const Gemma4Tensor& tensor : tensors.used) EXPECT_EQ(tensor.key.find("per_layer"), std::string::npos);
  EXPECT_EQ(tensors.used.size() + tensors.unused_kv_shared.size(), 600u - 3 - 3 * 35);
}

TEST(Gemma4Config, FixtureOnDisk) {
  auto config = ParseGemma4Config(ReadFile(SUB1QUANT_TESTDATA "/gemma4-tiny/config.json").value());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->kv_source(4), 2);
  EXPECT_EQ(config->kv_source(5), 2);
  EXPECT_EQ(config->kv_source(6), 3);
  EXPECT_EQ(config->sliding_window, 128);
  EXPECT_EQ(config->mlp_width(3), 256);
  EXPECT_EQ(config->mlp_width(4), 512);
}

TEST(Gemma4Config, FlatTextOnlyConfigAndDefaults) {
  auto config = ParseGemma4Config(R"({"model_type": "gemma4_text"})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "gemma4_text");
  EXPECT_THAT(config->replaced_token_ids, IsEmpty());
  EXPECT_EQ(config->vocab_size, 262144);
  EXPECT_EQ(config->hidden_size, 2304);
  EXPECT_EQ(config->intermediate_size, 9216);
  EXPECT_EQ(config->num_hidden_layers, 30);
  EXPECT_EQ(config->num_key_value_heads, 4);
  EXPECT_EQ(config->rms_norm_eps, 1e-6);
  EXPECT_EQ(config->sliding_rope_theta, 1e4);
  EXPECT_EQ(config->full_rope_theta, 1e6);
  EXPECT_EQ(config->full_partial_rotary_factor, 0.25);
  EXPECT_FALSE(config->final_logit_softcapping.has_value());
  EXPECT_EQ(config->num_kv_shared_layers, 0);
  EXPECT_FALSE(config->use_double_wide_mlp);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(config->full_attention[static_cast<size_t>(i)], (i + 1) % 6 == 0);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(config->kv_source(i), i);
}

TEST(Gemma4Config, NullsThatMeanSomething) {
  Json json = E2b();
  for (const char* field : {"final_logit_softcapping", "layer_types", "rope_parameters", "num_kv_shared_layers",
                            "pad_token_id", "use_double_wide_mlp", "enable_moe_block"})
    json["text_config"][field] = nullptr;
  json["image_token_id"] = nullptr;
  json["audio_token_id"] = 7;
  auto config = ParseGemma4Config(json.dump());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->final_logit_softcapping.has_value());
  EXPECT_EQ(config->num_kv_shared_layers, 0);
  EXPECT_EQ(config->full_partial_rotary_factor, 0.25);
  EXPECT_TRUE(config->full_attention[34]) << "the last layer is forced";
  EXPECT_TRUE(config->full_attention[5]);
  EXPECT_THAT(config->replaced_token_ids, ElementsAre(7, 258884));
  EXPECT_THAT(WithText("hidden_size", nullptr), HasSubstr("text_config.hidden_size null"));
}

TEST(Gemma4Config, LastLayerIsForcedToFullAttention) {
  Json json = E2b();
  json["text_config"]["layer_types"][34] = "sliding_attention";
  EXPECT_TRUE(ParseGemma4Config(json.dump()).value().full_attention[34]);
}

TEST(Gemma4Config, RopeVariants) {
  Json json = E2b();
  Json& full = json["text_config"]["rope_parameters"]["full_attention"];
  full["factor"] = 8.0;
  EXPECT_EQ(ParseGemma4Config(json.dump()).value().full_rope_factor, 8.0);
  full = {{"rope_type", "default"}, {"rope_theta", 5e5}};
  const Gemma4Config config = ParseGemma4Config(json.dump()).value();
  EXPECT_FALSE(config.full_rope_proportional);
  EXPECT_EQ(config.full_partial_rotary_factor, 1);
  EXPECT_EQ(config.full_rope_theta, 5e5);
}

TEST(Gemma4Config, RefusesVariantsByNameAndValue) {
  EXPECT_THAT(WithText("enable_moe_block", true), HasSubstr("text_config.enable_moe_block true"));
  EXPECT_THAT(WithText("attention_k_eq_v", true), HasSubstr("attention_k_eq_v true"));
  EXPECT_THAT(WithText("attention_bias", true), HasSubstr("attention_bias true"));
  EXPECT_THAT(WithText("tie_word_embeddings", false), HasSubstr("tie_word_embeddings false"));
  EXPECT_THAT(WithText("use_bidirectional_attention", "all"), HasSubstr("use_bidirectional_attention \"all\""));
  EXPECT_EQ(WithText("use_bidirectional_attention", "vision"), "accepted");
  EXPECT_THAT(WithText("hidden_activation", "silu"), HasSubstr("hidden_activation \"silu\""));
  EXPECT_THAT(WithText("per_layer_config", Json::object({{"0", 1}})), HasSubstr("per_layer_config"));
  EXPECT_THAT(WithText("rope_scaling", Json::object({{"factor", 2}})), HasSubstr("rope_scaling"));
  EXPECT_THAT(WithText("model_type", "gemma3_text"), HasSubstr("gemma3_text"));
  Json config = E2b();
  config["tie_word_embeddings"] = false;
  EXPECT_THAT(Refusal(config), HasSubstr("tie_word_embeddings false"));
  config = E2b();
  config["per_layer_config"] = Json::object({{"0", 1}});
  EXPECT_THAT(Refusal(config), HasSubstr("per_layer_config"));
  for (const char* type : {"gemma4_unified", "gemma3", "llama"}) {
    config = E2b();
    config["model_type"] = type;
    EXPECT_THAT(Refusal(config), AllOf(HasSubstr("model_type"), HasSubstr(type)));
  }
}

TEST(Gemma4Config, RefusesShapesThatDoNotFit) {
  EXPECT_THAT(WithText("layer_types", Json::array({"full_attention"})), HasSubstr("has 1 entries"));
  Json types = E2bText()["layer_types"];
  types[3] = "linear_attention";
  EXPECT_THAT(WithText("layer_types", types), AllOf(HasSubstr("layer_types"), HasSubstr("entry 3")));
  EXPECT_THAT(WithText("num_key_value_heads", 3), HasSubstr("num_key_value_heads 3"));
  EXPECT_THAT(WithText("head_dim", 255), HasSubstr("head_dim 255"));
  EXPECT_THAT(WithText("global_head_dim", 511), HasSubstr("global_head_dim 511"));
  EXPECT_THAT(WithText("num_kv_shared_layers", 35), HasSubstr("num_kv_shared_layers 35"));
  EXPECT_THAT(WithText("num_kv_shared_layers", 31), HasSubstr("full_attention"))
      << "no full layer before the shared ones";
  EXPECT_EQ(WithText("num_kv_shared_layers", 30), "accepted");
}

TEST(Gemma4Config, RefusesRopeOfOtherKinds) {
  const auto with = [](const char* layer, const char* field, const Json& value) {
    Json config = E2b();
    config["text_config"]["rope_parameters"][layer][field] = value;
    return Refusal(config);
  };
  EXPECT_THAT(with("full_attention", "rope_type", "yarn"), HasSubstr("full_attention.rope_type \"yarn\""));
  EXPECT_THAT(with("sliding_attention", "rope_type", "proportional"), HasSubstr("sliding_attention.rope_type"));
  EXPECT_THAT(with("sliding_attention", "partial_rotary_factor", 0.5), HasSubstr("partial_rotary_factor 0.5"));
  EXPECT_THAT(with("sliding_attention", "factor", 2), HasSubstr("factor 2"));
  EXPECT_THAT(with("full_attention", "partial_rotary_factor", 1.5), HasSubstr("partial_rotary_factor 1.5"));
  EXPECT_THAT(with("full_attention", "beta_fast", 32), HasSubstr("beta_fast 32"));
  EXPECT_THAT(with("full_attention", "rope_theta", 0), HasSubstr("rope_theta 0"));
  EXPECT_THAT(WithText("rope_parameters", Json::object({{"rope_theta", 1e4}})),
              HasSubstr("rope_parameters.rope_theta"));
  EXPECT_THAT(WithText("rope_parameters", 7), HasSubstr("rope_parameters"));
}

TEST(Gemma4Config, RefusesNumbersOutOfReason) {
  for (const char* field :
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "head_dim", "global_head_dim", "sliding_window", "vocab_size_per_layer_input"})
    for (const Json& value : {Json(0), Json(-1), Json(1.5), Json("8"), Json(int64_t{1} << 40), Json(~uint64_t{0}),
                              Json(true), Json::array()})
      EXPECT_THAT(WithText(field, value), HasSubstr(field)) << value;
  for (const Json& value : {Json(0.0), Json(-1e-6), Json(2), Json("1e-6")})
    EXPECT_THAT(WithText("rms_norm_eps", value), HasSubstr("rms_norm_eps")) << value;
  for (const Json& value : {Json(0), Json(-30.0), Json("30")})
    EXPECT_THAT(WithText("final_logit_softcapping", value), HasSubstr("final_logit_softcapping")) << value;
  EXPECT_THAT(WithText("num_kv_shared_layers", -1), HasSubstr("num_kv_shared_layers -1"));
  EXPECT_THAT(WithText("pad_token_id", 262144), HasSubstr("pad_token_id 262144"));
  EXPECT_THAT(WithText("use_double_wide_mlp", 1), HasSubstr("use_double_wide_mlp 1"));
  EXPECT_EQ(WithText("eos_token_id", Json::array({1, 106})), "accepted");
}

TEST(Gemma4Config, RefusesWhatIsNoConfig) {
  for (const char* text :
       {"", "[]", "7", "{", "{\"model_type\": \"gemma4\"}", "{\"model_type\": 4}",
        "{\"model_type\": \"gemma4\", \"text_config\": []}", "{\"model_type\": \"gemma4_text\", \"text_config\": {}}",
        "{\"model_type\": \"gemma4_text\", \"model_type\": \"gemma4_text\"}", "{}"})
    EXPECT_EQ(ParseGemma4Config(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
}

}  // namespace
}  // namespace sub1quant
