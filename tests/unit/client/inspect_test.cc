#include "client/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "quant/model/safetensors.h"
#include "tests/unit/client/scratch.h"

namespace sub1quant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kTinyModel[] = SUB1QUANT_TESTDATA "/gemma4-tiny";

TEST(Inspect, AModelThatCanBeScoredHasNoWarning) {
  const Json facts = InspectPath(kTinyModel).value();
  EXPECT_EQ(facts["config"]["scoring"], true);
  EXPECT_FALSE(facts["config"].contains("reason"));
  EXPECT_EQ(facts["warnings"], Json::array());
  EXPECT_THAT(RenderInspection(facts), Not(HasSubstr("warning")));
}

TEST(Inspect, WarnsOfATensorThatContradictsTheConfigurationAndOfOneWithoutWeights) {
  const Scratch scratch;
  const std::string model = scratch / "model";
  std::filesystem::copy(kTinyModel, model);
  Json config = ParseJson(ReadFile(model + "/config.json").value()).value();
  config["text_config"]["vocab_size"] = config["text_config"]["vocab_size"].get<int64_t>() + 1;
  ASSERT_TRUE(WriteFileAtomically(model + "/config.json", config.dump()).ok());
  const std::string header = MakeSafetensorsHeader({{"model.language_model.x.weight", DType::kBF16, {0, 128}}}, {});
  ASSERT_TRUE(WriteFileAtomically(model + "/x.safetensors", header).ok());

  const Json facts = InspectPath(model).value();
  EXPECT_EQ(facts["config"]["scoring"], false);
  EXPECT_THAT(facts["config"]["reason"].get<std::string>(),
              HasSubstr("'model.language_model.embed_tokens.weight' has shape ["));
  EXPECT_EQ(facts["warnings"], Json({"tensor 'model.language_model.x.weight' has no weights; --exclude it"}));
  const std::string text = RenderInspection(facts);
  EXPECT_THAT(text, HasSubstr("warning             this model cannot be scored: tensor 'model.language_model.embed"));
  EXPECT_THAT(text, HasSubstr("warning             tensor 'model.language_model.x.weight' has no weights"));
  EXPECT_THAT(text, HasSubstr("hidden_size"));
}

}  // namespace
}  // namespace sub1quant
