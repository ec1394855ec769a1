#include "worker/executors/model_identity.h"

#include <fstream>

#include "core/digest.h"
#include "quant/model/model_identity.h"
#include "tests/unit/worker/executors/fixture.h"

namespace sub1quant::testing {
namespace {

using ModelIdentityTest = ExecutorTest;

TEST_F(ModelIdentityTest, TheModelThatWasInspectedAndNoOther) {
  const std::string config = ReadFile(directory_ + "/model/config.json").value();
  const std::string identity = ModelIdentity(inventory_, Sha256Hex(config));
  EXPECT_TRUE(CheckModelIdentity(*source_, identity).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckModelIdentity(*source_, std::string(64, '0'))));
  std::ofstream(directory_ + "/model/config.json", std::ios::app) << " ";
  EXPECT_TRUE(absl::IsFailedPrecondition(CheckModelIdentity(*source_, identity)));
}

}  // namespace
}  // namespace sub1quant::testing
