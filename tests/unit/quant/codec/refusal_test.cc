// What an encoder must refuse, and that it names the place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "quant/codec/family.h"
#include "quant/codec/weight_tile.h"
#include "tests/support/codec_cases.h"

namespace sub1quant {
namespace {

using golden::Codecs;
using testing::HasSubstr;

TEST(Refusals, Golden) {
  int refused = 0;
  for (const auto& entry : Codecs().json.at("refusals")) {
    const auto refused_by = entry.at("refused_by").get<std::set<std::string>>();
    const std::string why = entry.at("why");
    for (const std::string& method : PublishedMethods()) {
      SCOPED_TRACE(entry.at("name").get<std::string>() + " " + method);
      const auto encoded = FindCodec(method)->Encode(Codecs().InputOf(entry), {.group_size = entry.at("group_size")});
      EXPECT_EQ(encoded.ok(), refused_by.count(method) == 0) << encoded.status();
      if (encoded.ok()) continue;
      ++refused;
      EXPECT_EQ(encoded.status().code(), absl::StatusCode::kInvalidArgument);
      const std::string place = why.substr(why.find("row "));
      EXPECT_THAT(std::string(encoded.status().message()), HasSubstr(place));
      if (why.find("column") != std::string::npos) {
        EXPECT_EQ(std::string(encoded.status().message()), why);
      }
    }
  }
  EXPECT_EQ(refused, 6 * 5 + 3 * 4 + 5);
}

TEST(Refusals, TheFirstRowWinsWhateverTheThreads) {
  const int64_t rows = 4096, cols = 128;
  std::vector<float> weights(static_cast<size_t>(rows * cols), 0.5f);
  for (int64_t row : {4000, 2500, 1111})
    weights[static_cast<size_t>(row * cols + 77)] = std::numeric_limits<float>::quiet_NaN();
  for (int threads : {1, 2, 3, 7})
    for (const std::string& method : PublishedMethods())
      EXPECT_EQ(FindCodec(method)->Encode({weights.data(), DType::kF32, rows, cols}, {.threads = threads}).status(),
                absl::InvalidArgumentError("NaN at row 1111, column 77"));
}

// Lanes up to kNeverRefused are not asked, so every family has to take them.
TEST(Refusals, NobodyRefusesWhatIsNotAsked) {
  std::vector<std::string> all = PublishedMethods();
  all.insert(all.end(), IntegerMethods().begin(), IntegerMethods().end());
  WeightTile tile = {};
  tile.group_size = 128;
  tile.lanes = 1;
  tile.groups_per_row = 1;
  size_t asked = 0;
  for (const Family* family : Families()) {
    std::vector<std::string> methods;
    std::copy_if(all.begin(), all.end(), std::back_inserter(methods),
                 [&](const std::string& method) { return family->Find(method) != nullptr; });
    asked += methods.size();
    const auto evaluator = family->NewEvaluator(methods, 128).value();
    tile.absmax[0] = kNeverRefused;
    EXPECT_TRUE(evaluator->Check(tile, 0).ok());
    tile.absmax[0] = std::numeric_limits<float>::max();
    EXPECT_FALSE(evaluator->Check(tile, 0).ok()) << "the check asks nothing";
  }
  EXPECT_EQ(asked, all.size());
}

TEST(Refusals, ShapesSizesAndTypes) {
  const std::vector<float> weights(512, 1.0f);
  const Codec* codec = FindCodec("groupwise_int4");
  for (int group_size : {0, -128, 1, 96, 100, 129, 512, std::numeric_limits<int>::max()})
    EXPECT_EQ(codec->Encode({weights.data(), DType::kF32, 2, 256}, {.group_size = group_size}).status().code(),
              absl::StatusCode::kInvalidArgument);
  for (const auto& [rows, cols] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 128}, {1, 0}, {-1, 128}, {1, -128}, {int64_t{1} << 62, 4}, {1, std::numeric_limits<int64_t>::max()}})
    EXPECT_FALSE(codec->Encode({weights.data(), DType::kF32, rows, cols}, {}).ok()) << rows << " " << cols;
  EXPECT_FALSE(codec->Encode({weights.data(), DType::kF64, 1, 64}, {}).ok());
  EXPECT_FALSE(codec->Encode({weights.data(), DType::kU8, 1, 64}, {}).ok());
}

TEST(Refusals, CorrectionsAboveTheGroupSize) {
  const std::vector<float> weights(64, 1.0f);
  const MatrixView matrix{weights.data(), DType::kF32, 2, 32};
  EXPECT_TRUE(FindCodec("int2_error_budget_k32")->Encode(matrix, {.group_size = 32}).ok());
  EXPECT_FALSE(FindCodec("int2_error_budget_k33")->Encode(matrix, {.group_size = 32}).ok());
  EXPECT_TRUE(FindCodec("int2_error_budget_k255")->Encode(matrix, {.group_size = 256}).ok());
}

TEST(Registry, Names) {
  EXPECT_EQ(PublishedMethods().size(), 5u);
  for (const std::string& method : KnownMethods()) {
    ASSERT_NE(FindCodec(method), nullptr) << method;
    EXPECT_EQ(FindCodec(method)->method(), method);
    EXPECT_GE(FindCodec(method)->version(), 1);
  }
  for (int k = 1; k <= 255; ++k) EXPECT_NE(FindCodec("int2_error_budget_k" + std::to_string(k)), nullptr);
  for (const char* name : {"", "int1", "int7", "int9", "int04", "int16", "int", "INT4", "int2_error_budget_k",
                           "int2_error_budget_k0", "int2_error_budget_k04", "int2_error_budget_k256",
                           "int2_error_budget_k-1", "int2_error_budget_k4 ", "GROUPWISE_INT4"})
    EXPECT_EQ(FindCodec(name), nullptr) << name;
}

}  // namespace
}  // namespace sub1quant
