#include "server/flow/action_key.h"

#include <functional>
#include <set>

#include "core/digest.h"
#include "gtest/gtest.h"
#include "tests/unit/server/flow/sample.h"

namespace sub1quant {
namespace {

SearchTask Search() {
  return {
      {"root", "path"}, SampleTensor(0, "a.weight", 128, 64).record, "identity", 128, {"int2_base", "groupwise_int4"}};
}

ScoreTask Score() {
  return {{"root", "path"}, "model", std::string(64, 'm'), std::string(64, 't'), false, 512, 512, 0, 8, "auto"};
}

TEST(ActionKey, IsADigest) {
  EXPECT_TRUE(IsSha256Hex(ActionKeyOf(Search())));
  EXPECT_TRUE(IsSha256Hex(ActionKeyOf(Score())));
}

TEST(ActionKey, DoesNotKnowWhereTheModelLies) {
  SearchTask search = Search();
  search.model = {"other", "place"};
  search.tensor.file = "renamed.safetensors";
  EXPECT_EQ(ActionKeyOf(search), ActionKeyOf(Search()));
  ScoreTask score = Score();
  score.model = {"other", "place"};
  EXPECT_EQ(ActionKeyOf(score), ActionKeyOf(Score()));
}

TEST(ActionKey, EverySearchInputCounts) {
  using Change = std::function<void(SearchTask&)>;
  const Change changes[] = {
      [](SearchTask&) {},
      [](SearchTask& t) { t.file_identity = "other"; },
      [](SearchTask& t) { t.tensor.key = "b.weight"; },
      [](SearchTask& t) { t.tensor.dtype = DType::kF16; },
      [](SearchTask& t) {
        t.tensor.shape = {64, 128};
      },
      [](SearchTask& t) { t.tensor.offset += 2; },
      [](SearchTask& t) { t.group_size = 64; },
      [](SearchTask& t) {
        t.methods = {"groupwise_int4", "int2_base"};
      },  // the answer is in this order
      [](SearchTask& t) { t.methods.pop_back(); },
  };
  std::set<std::string> keys;
  for (const Change& change : changes) {
    SearchTask task = Search();
    change(task);
    keys.insert(ActionKeyOf(task));
  }
  EXPECT_EQ(keys.size(), std::size(changes));
}

TEST(ActionKey, EveryScoreInputCounts) {
  using Change = std::function<void(ScoreTask&)>;
  const Change changes[] = {
      [](ScoreTask&) {},
      [](ScoreTask& t) { t.model_identity = "other"; },
      [](ScoreTask& t) { t.manifest_sha256 = ""; },
      [](ScoreTask& t) { t.tokens_sha256 = std::string(64, 'u'); },
      [](ScoreTask& t) { t.bos_per_window = true; },
      [](ScoreTask& t) { t.window = 256; },
      [](ScoreTask& t) { t.stride = 256; },
      [](ScoreTask& t) { t.first = 8; },
      [](ScoreTask& t) { t.count = 4; },
      [](ScoreTask& t) { t.dtype = "float32"; },
  };
  std::set<std::string> keys;
  for (const Change& change : changes) {
    ScoreTask task = Score();
    change(task);
    keys.insert(ActionKeyOf(task));
  }
  EXPECT_EQ(keys.size(), std::size(changes));
}

TEST(ActionKey, OperationsDoNotShareKeys) {
  const SearchTask search = Search();
  const PackTask pack{search.model, search.tensor, search.file_identity, search.group_size, search.methods.front()};
  SearchTask alone = search;
  alone.methods.resize(1);
  EXPECT_NE(ActionKeyOf(pack), ActionKeyOf(alone));
}

}  // namespace
}  // namespace sub1quant
